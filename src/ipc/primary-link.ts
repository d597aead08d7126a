/**
 * The Fleet of a worker under our own primary: every question goes over the fork's IPC channel. Requests of one tick
 * are joined, every wait has a deadline, and when the channel closes nobody is left waiting.
 */
import cluster from 'node:cluster';
import type { Fleet, FleetEvents, Heartbeat } from './fleet.ts';
import { Grants } from './grants.ts';
import type { GatheredPart, QuotaKind, StartMessage, ToPrimary, Topic, ToWorker } from './messages.ts';

export interface PrimaryLink {
  readonly fleet: Fleet;
  readonly start: StartMessage;
}

/** What of `process` the link uses. */
export type Channel = Pick<NodeJS.Process, 'on' | 'prependListener' | 'off' | 'connected'> & {
  send?: NodeJS.Process['send'];
};

/** The primary answers a gather within about one second; past this it stands still or is gone. */
const GATHER_MS = 3_000;

/** Resolves when the primary has said what to do; with undefined when it was gone before. Never rejects. */
export function createPrimaryLink(channel: Channel): Promise<PrimaryLink | undefined> {
  return new Promise((resolve) => {
    let fleet: ChannelFleet | undefined;
    channel.on('message', (message: ToWorker) => {
      if (message.type !== 'start') return fleet?.receive(message);
      fleet = new ChannelFleet(channel, message);
      resolve({ fleet, start: message });
    });
    // First in line, because node:cluster's own listener would end this process on the spot, children unended.
    channel.prependListener('disconnect', () => {
      if (cluster.worker !== undefined) cluster.worker.exitedAfterDisconnect = true;
      if (fleet === undefined) resolve(undefined);
      else fleet.orphan();
    });
    // node:cluster listens to 'message' from the start, so node does not keep what comes before our own listener.
    channel.send?.({ type: 'hello' } satisfies ToPrimary, undefined, undefined, () => undefined);
  });
}

class ChannelFleet implements Fleet {
  readonly slot: number;
  readonly id: string;
  readonly #channel: Channel;
  readonly #grants: Grants;
  readonly #gathers = new Map<number, (parts: readonly GatheredPart[]) => void>();
  /** Came before the worker listened. */
  #early: ToWorker[] = [];
  #events: FleetEvents | undefined;
  #isOrphaned = false;
  #lastSeq = 0;

  constructor(channel: Channel, { slot, id }: StartMessage) {
    this.#channel = channel;
    this.slot = slot;
    this.id = id;
    this.#grants = new Grants({
      acquire: (seq, kind, count) => this.#send({ type: 'acquire', seq, kind, count }),
      release: (kind, count) => this.#send({ type: 'release', kind, count }),
    });
  }

  listen(events: FleetEvents): void {
    this.#events = events;
    const early = this.#early;
    this.#early = [];
    for (const message of early) this.receive(message);
    if (this.#isOrphaned) events.orphaned();
  }

  ready(engine: string): void {
    this.#send({ type: 'ready', engine });
  }

  bootFailed(reason: string): Promise<void> {
    return new Promise((resolve) => this.#send({ type: 'boot-failed', reason }, resolve));
  }

  heartbeat(heartbeat: Heartbeat): void {
    this.#send({ type: 'heartbeat', ...heartbeat });
  }

  acquire(kind: QuotaKind, count: number): Promise<boolean> {
    return this.#grants.acquire(kind, count);
  }

  release(kind: QuotaKind, count: number): void {
    this.#grants.release(kind, count);
  }

  childStarted(pgid: number, server: string): void {
    this.#send({ type: 'child-started', pgid, server });
  }

  childExited(pgid: number): void {
    this.#send({ type: 'child-exited', pgid });
  }

  gather(topic: Topic): Promise<readonly GatheredPart[]> {
    return new Promise((resolve) => {
      const seq = ++this.#lastSeq;
      const alone = (): void => void this.#ownPart(topic).then(settle);
      const timer = setTimeout(alone, GATHER_MS);
      const settle = (parts: readonly GatheredPart[]): void => {
        clearTimeout(timer);
        this.#gathers.delete(seq);
        resolve(parts);
      };
      this.#gathers.set(seq, settle);
      this.#send({ type: 'gather', seq, topic });
    });
  }

  /** The primary is gone: whoever waits for it is told so. */
  orphan(): void {
    this.#isOrphaned = true;
    this.#grants.close();
    for (const settle of [...this.#gathers.values()]) settle([]);
    this.#events?.orphaned();
  }

  receive(message: ToWorker): void {
    const events = this.#events;
    switch (message.type) {
      case 'granted':
        return void this.#grants.granted(message.seq, message.granted);
      case 'gathered':
        return void this.#gathers.get(message.seq)?.(message.parts);
      case 'start':
        return;
    }
    if (events === undefined) {
      this.#early.push(message);
      return;
    }
    switch (message.type) {
      case 'roster':
        events.roster(message.members);
        break;
      case 'drain':
        events.drain({ deadlineMs: message.deadlineMs, rolling: message.rolling });
        break;
      case 'ask':
        return void this.#answer(message.seq, message.topic);
      case 'try': {
        const { seq, servers } = message;
        void events.tryServers(servers).then((failures) => this.#send({ type: 'tried', seq, failures }));
        break;
      }
      case 'settings': {
        const { seq, settings } = message;
        void events.adopt(settings).then(() => this.#send({ type: 'adopted', seq }));
      }
    }
  }

  async #answer(seq: number, topic: Topic): Promise<void> {
    const [own] = await this.#ownPart(topic);
    // Without a value it still answers, so that nobody waits for it.
    this.#send({ type: 'answer', seq, value: own?.value });
  }

  async #ownPart(topic: Topic): Promise<readonly GatheredPart[]> {
    try {
      return [{ slot: this.slot, id: this.id, value: await this.#events?.answer(topic) }];
    } catch {
      // The worker reports its own failures; here it only has nothing to say.
      return [];
    }
  }

  /** An error here means that the primary is going; `disconnect` follows, and tells it once. */
  #send(message: ToPrimary, sent: () => void = () => undefined): void {
    if (this.#channel.connected && !this.#isOrphaned)
      this.#channel.send?.(message, undefined, undefined, sent);
    else sent();
  }
}
