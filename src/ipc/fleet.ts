/**
 * A worker's view of the rest of the bridge. Under our own primary it is the IPC channel (primary-link); under a
 * foreign supervisor the same view is kept through RUNTIME_DIR. Workers know only this interface.
 */
import type { ServerDefinition, Settings } from '../config/settings.ts';
import type { GatheredPart, Member, QuotaKind, Topic, TrialFailure } from './messages.ts';

export interface FleetEvents {
  /** Who is there, after every change; includes this worker. */
  roster(members: readonly Member[]): void;
  /** Finish and exit. See the `drain` message. */
  drain(order: { deadlineMs: number; rolling: boolean }): void;
  /** This worker's own part of a gather. */
  answer(topic: Topic): unknown | Promise<unknown>;
  /** Starts each of them once, beside what runs. Never rejects. */
  tryServers(servers: readonly ServerDefinition[]): Promise<readonly TrialFailure[]>;
  /** Serves with other settings; resolves when it does. Never rejects. */
  adopt(settings: Settings): Promise<void>;
  /** The supervisor is gone: stop at once, leave nothing behind. */
  orphaned(): void;
}

export interface Heartbeat {
  readonly rssBytes: number;
  readonly metrics: unknown;
}

export interface Fleet {
  readonly slot: number;
  readonly id: string;
  listen(events: FleetEvents): void;
  ready(engine: string): void;
  /** Resolves when it is told; this process is to end then, where it has not ended by itself. */
  bootFailed(reason: string): Promise<void>;
  heartbeat(beat: Heartbeat): void;
  /** Counts against a limit of the whole bridge; false when it is reached. */
  acquire(kind: QuotaKind, count: number): Promise<boolean>;
  release(kind: QuotaKind, count: number): void;
  childStarted(pgid: number, server: string): void;
  childExited(pgid: number): void;
  /** Every live worker's answer; a silent one is left out after about a second. */
  gather(topic: Topic): Promise<readonly GatheredPart[]>;
}
