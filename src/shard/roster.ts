/**
 * Who is in the fleet, and which worker owns a key. Rendezvous hashing over the ready slots: when a slot comes or
 * goes, only its own keys move. During a reload two processes share a slot; the ready one takes its keys.
 */
import type { Member, WorkerState } from '../ipc/messages.ts';

/** Keys whose owners are remembered between two changes of the roster. */
const MAX_MEMO = 10_000;

export class Roster {
  readonly #byId = new Map<string, Member>();
  readonly #memo = new Map<string, readonly Member[]>();
  #ready: readonly Member[] = [];

  set(members: readonly Member[]): void {
    this.#byId.clear();
    this.#memo.clear();
    for (const member of members) this.#byId.set(member.id, member);
    this.#ready = members.filter(({ state }) => state === 'ready');
  }

  /** A live process, whatever its state. */
  get(id: string): Member | undefined {
    return this.#byId.get(id);
  }

  isReady(id: string): boolean {
    return this.#byId.get(id)?.state === 'ready';
  }

  countByState(): Record<WorkerState, number> {
    const counts = { booting: 0, ready: 0, draining: 0 };
    for (const { state } of this.#byId.values()) counts[state]++;
    return counts;
  }

  get size(): number {
    return this.#byId.size;
  }

  /** Of all live processes. */
  ids(): readonly string[] {
    return [...this.#byId.keys()];
  }

  /** The workers that may serve `key`, best first, at most `count`; empty while none is ready. */
  owners(key: string, count: number): readonly Member[] {
    const memoKey = `${count}:${key}`;
    let owners = this.#memo.get(memoKey);
    if (owners === undefined) {
      owners = rank(key, this.#ready).slice(0, count);
      if (this.#memo.size >= MAX_MEMO) this.#memo.clear();
      this.#memo.set(memoKey, owners);
    }
    return owners;
  }
}

/** Members by descending weight of (key, slot); of two with one slot, the later stands first. */
export function rank(key: string, members: readonly Member[]): readonly Member[] {
  const bySlot = new Map(members.map((member) => [member.slot, member]));
  return [...bySlot.values()]
    .map((member) => ({ member, weight: hash(`${key}#${member.slot}`) }))
    .sort((a, b) => b.weight - a.weight || a.member.slot - b.member.slot)
    .map(({ member }) => member);
}

/** FNV-1a with the finaliser of MurmurHash3: short keys that differ in one digit land far apart. */
function hash(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
