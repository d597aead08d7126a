/**
 * The Fleet of a worker that PM2's cluster mode started: PM2 forks, restarts and stops the processes, and what our
 * own primary would know besides is kept in RUNTIME_DIR by all of them together. A process writes its own files only;
 * what a dead one left is ended, counted and cleared by a peer or by its slot's next process.
 */
import { type FSWatcher, watch } from 'node:fs';
import { join } from 'node:path';
import type { ServerDefinition, Settings } from '../config/settings.ts';
import type { Fleet, FleetEvents, Heartbeat } from '../ipc/fleet.ts';
import { Grants } from '../ipc/grants.ts';
import type { GatheredPart, Member, QuotaKind, Topic, TrialFailure, WorkerState } from '../ipc/messages.ts';
import type { Logger } from '../log.ts';
import { retire } from '../metrics/merge.ts';
import { endGroups } from '../supervisor/ledger.ts';
import { createLedgerFile, groupOf, type LedgerFile, readLedgerFile } from '../supervisor/ledger-file.ts';
import { createFleetFamilies, type FleetFamilies, type Succession } from './fleet-families.ts';
import type { Lock } from './lock.ts';
import {
  isMemberFile,
  type MemberRecord,
  type Members,
  readMembers,
  removeMember,
  writeMember,
} from './members.ts';
import { askMember, createQuestions, type Questions } from './questions.ts';
import { createQuotaFiles } from './quota-files.ts';
import { fold, readRetired, readSnapshot, snapshotIds, writeSnapshot } from './retired.ts';

export interface Pm2FleetOptions {
  /** This process, as it stands in its member file. */
  readonly self: MemberRecord;
  readonly folder: string;
  readonly lock: Lock;
  readonly settings: Settings;
  readonly logger: Logger;
  /** Whom this process replaces; undefined for a slot's first one. */
  readonly succession: Succession | undefined;
  /** Tells PM2. */
  readonly announce: () => void;
  /** The worker could not start; ends the process. */
  readonly giveUp: (reason: string) => Promise<never>;
}

/** How soon a death is seen; births and changes are told by the folder's watcher. */
const LOOK_MS = 500;
/** What the end of a process may wait for its peers. */
const LEAVE_MS = 300;
const SHARED_SLOT = -1;

export class Pm2Fleet implements Fleet {
  readonly slot: number;
  readonly id: string;
  readonly #options: Pm2FleetOptions;
  readonly #children: LedgerFile;
  readonly #questions: Questions;
  readonly #grants: Grants;
  readonly #families: FleetFamilies;
  readonly #reaping = new Set<string>();
  #self: MemberRecord;
  #events: FleetEvents | undefined;
  #members: readonly MemberRecord[] = [];
  #shown = '';
  #watcher: FSWatcher | undefined;
  #looking: NodeJS.Timeout | undefined;

  constructor(options: Pm2FleetOptions) {
    const { self, folder, lock, settings, succession } = options;
    this.#options = options;
    this.#self = self;
    this.slot = self.slot;
    this.id = self.id;
    this.#children = createLedgerFile(childrenPath(folder, self.id), (error) =>
      options.logger.error({ err: error }, 'the ledger of children cannot be written'),
    );
    this.#questions = createQuestions(folder, self.id, (topic) => this.#ownAnswer(topic));
    this.#families = createFleetFamilies(self.slot, succession, () => this.#members);
    const quotas = createQuotaFiles({
      folder,
      id: self.id,
      lock,
      limits: { sessions: settings.maxSessions, children: settings.maxChildren },
      instances: settings.workers,
      liveIds: () => readMembers(folder).live.map(({ id }) => id),
    });
    this.#grants = new Grants({
      acquire: (seq, kind, count) =>
        void quotas.acquire(kind, count).then(
          (granted) => this.#grants.granted(seq, granted),
          (error: unknown) => {
            options.logger.error({ err: error }, 'a limit of the bridge could not be asked for');
            this.#grants.granted(seq, 0);
          },
        ),
      release: (kind, count) => quotas.release(kind, count),
    });
  }

  /** What dead processes left is cleared, and this one can be asked. Rejects when its socket cannot be made. */
  async open(): Promise<void> {
    const { folder } = this.#options;
    await this.#questions.listen();
    await Promise.all(readMembers(folder).dead.map((member) => this.#reap(member)));
    this.#watcher = watch(folder, (_, name) => {
      if (name === null || isMemberFile(name)) this.#look();
    });
    this.#watcher.on('error', (error) => {
      this.#options.logger.warn({ err: error }, 'RUNTIME_DIR cannot be watched, only looked at');
    });
    this.#looking = setInterval(() => this.#look(), LOOK_MS);
    this.#look();
  }

  listen(events: FleetEvents): void {
    this.#events = events;
    events.roster(this.#members);
  }

  ready(): void {
    this.#enter('ready');
    this.#options.announce();
  }

  bootFailed(reason: string): Promise<never> {
    return this.#options.giveUp(reason);
  }

  heartbeat({ metrics }: Heartbeat): void {
    this.#keep(this.#families.with(metrics));
  }

  acquire(kind: QuotaKind, count: number): Promise<boolean> {
    return this.#grants.acquire(kind, count);
  }

  release(kind: QuotaKind, count: number): void {
    this.#grants.release(kind, count);
  }

  childStarted(pgid: number, server: string): void {
    const group = groupOf(pgid, server);
    if (group !== undefined) this.#children.started(group);
  }

  childExited(pgid: number): void {
    this.#children.gone(pgid);
  }

  async gather(topic: Topic): Promise<readonly GatheredPart[]> {
    const asked = readMembers(this.#options.folder).live.filter(({ state }) => state !== 'booting');
    const answers = await Promise.all(asked.map((member) => this.#ask(member, topic)));
    const parts = answers.flat();
    return topic === 'metrics' ? this.#withStored(parts) : parts;
  }

  /** Whether another process of this slot serves already. */
  get hasSuccessor(): boolean {
    return readMembers(this.#options.folder).live.some(
      ({ slot, id, state }) => slot === this.slot && id !== this.id && state === 'ready',
    );
  }

  /** PM2 wants this process to end; false when it does not serve yet, so that there is nothing to finish. */
  drain(): boolean {
    if (this.#events === undefined || this.#self.state === 'booting') return false;
    this.#enter('draining');
    const { drainTimeoutMs: deadlineMs } = this.#options.settings;
    this.#events.drain({ deadlineMs, rolling: this.hasSuccessor });
    return true;
  }

  /** Starts each of them once, beside what runs. Never rejects. */
  async tryServers(servers: readonly ServerDefinition[]): Promise<readonly TrialFailure[]> {
    return this.#events?.tryServers(servers) ?? [];
  }

  /** Serves with other settings; limits of the whole bridge stay as they were at the start. */
  async adopt(settings: Settings): Promise<void> {
    await this.#events?.adopt(settings);
  }

  /** PM2's daemon is gone; false when nothing is served yet, so that there is nothing to end. */
  orphan(): boolean {
    this.#grants.close();
    this.#events?.orphaned();
    return this.#events !== undefined;
  }

  /** For an end without delay: the children's groups are gone when it resolves. */
  async endChildren(): Promise<void> {
    await endGroups(this.#children.groups());
  }

  /** Whether process groups would stay behind if this process ended now. */
  get hasChildren(): boolean {
    return this.#children.groups().length > 0;
  }

  /**
   * The last act of a process that leaves no child: what it counted is kept, and its files go. Synchronous, for the
   * `exit` event. Where the lock is not to be had, it looks like a death, and a peer does the same.
   */
  leave(hasCrashed: boolean): void {
    const { folder, lock } = this.#options;
    const { id, slot } = this;
    clearInterval(this.#looking);
    this.#watcher?.close();
    this.#questions.close();
    const last = this.#events?.answer('metrics');
    if (Array.isArray(last)) writeSnapshot(folder, id, this.#families.with(last));
    lock.holdSync(() => {
      fold(folder, { id, slot, hasCrashed });
      removeMember(folder, id);
    }, LEAVE_MS);
  }

  #enter(state: WorkerState): void {
    this.#self = { ...this.#self, state };
    writeMember(this.#options.folder, this.#self);
    this.#look();
  }

  #look(): void {
    const members = this.#readMembers();
    if (members === undefined) return;
    const { live, dead } = members;
    this.#members = live;
    const shown = JSON.stringify(live);
    if (shown !== this.#shown) {
      this.#shown = shown;
      this.#events?.roster(live satisfies readonly Member[]);
    }
    // One is enough; should it be the one that hangs, the dead process's successor does it.
    if (live[0]?.id === this.id) for (const member of dead) void this.#reap(member);
  }

  /** Undefined when it cannot be known now, for want of a file descriptor above all: then those from before stay. */
  #readMembers(): Members | undefined {
    try {
      return readMembers(this.#options.folder);
    } catch (error) {
      this.#options.logger.error({ err: error }, 'RUNTIME_DIR cannot be read');
      return undefined;
    }
  }

  async #reap(member: MemberRecord): Promise<void> {
    const { folder, lock, logger } = this.#options;
    const { id, slot, pid } = member;
    if (this.#reaping.has(id)) return;
    this.#reaping.add(id);
    try {
      const servers = await endGroups(readLedgerFile(childrenPath(folder, id)).groups);
      await lock.hold(() => {
        fold(folder, { id, slot, hasCrashed: true });
        removeMember(folder, id);
      });
      logger.warn({ worker: id, slot, workerPid: pid, servers }, 'cleared what a dead worker left');
    } catch (error) {
      logger.error({ worker: id, slot, err: error }, 'what a dead worker left could not be cleared');
    } finally {
      this.#reaping.delete(id);
    }
  }

  async #ask({ slot, id }: MemberRecord, topic: Topic): Promise<readonly GatheredPart[]> {
    const value =
      id === this.id
        ? await this.#ownAnswer(topic).catch(() => undefined)
        : await askMember(this.#options.folder, id, topic);
    return value === undefined ? [] : [{ slot, id, value }];
  }

  async #ownAnswer(topic: Topic): Promise<unknown> {
    const value = await this.#events?.answer(topic);
    if (topic !== 'metrics' || value === undefined) return value;
    const snapshot = this.#families.with(value);
    this.#keep(snapshot);
    return snapshot;
  }

  #keep(snapshot: unknown): void {
    try {
      writeSnapshot(this.#options.folder, this.id, snapshot);
    } catch (error) {
      this.#options.logger.warn({ err: error }, 'metrics could not be kept in RUNTIME_DIR');
    }
  }

  /**
   * Answers, with the stored snapshots of those who gave none and the total of those who are gone. The total is read
   * last: who was folded in meanwhile is in it, and is left out of the rest.
   */
  #withStored(answers: readonly GatheredPart[]): readonly GatheredPart[] {
    const { folder } = this.#options;
    const answered = new Set(answers.map(({ id }) => id));
    const live = new Set(this.#members.map(({ id }) => id));
    const stored = snapshotIds(folder)
      .filter((id) => !answered.has(id))
      .map((id): GatheredPart => {
        const snapshot = readSnapshot(folder, id);
        return { slot: SHARED_SLOT, id, value: live.has(id) ? snapshot : retire(undefined, snapshot) };
      });
    const { total, ids } = readRetired(folder);
    return [
      ...[...answers, ...stored].filter(({ id }) => !ids.includes(id)),
      { slot: SHARED_SLOT, id: 'retired', value: total },
      { slot: SHARED_SLOT, id: 'fleet', value: this.#families.ofAll() },
    ];
  }
}

const childrenPath = (folder: string, id: string): string => join(folder, `${id}.children`);
