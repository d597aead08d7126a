/**
 * Everything the primary and a worker say to each other over the fork's IPC channel: two unions, nothing else.
 * No client traffic passes here.
 */
import type { ServerDefinition, Settings } from '../config/settings.ts';

export type WorkerState = 'booting' | 'ready' | 'draining';

/** One worker process. `slot` is its stable place in the ring; `id` belongs to this process alone, for ever. */
export interface Member {
  readonly slot: number;
  readonly id: string;
  readonly state: WorkerState;
}

/** What is counted for the whole bridge rather than per worker. */
export type QuotaKind = 'sessions' | 'children';

/** What one process can ask all workers for. */
export type Topic = 'metrics' | 'servers';

/** One worker's answer to a gather. */
export interface GatheredPart {
  readonly slot: number;
  readonly id: string;
  readonly value: unknown;
}

/** A server that a worker could not start on trial. */
export interface TrialFailure {
  readonly server: string;
  /** Sentences, with the last lines of its stderr where there are any. */
  readonly reason: string;
}

/** All that a worker needs to know; the answer to its `hello`. */
export interface StartMessage {
  readonly type: 'start';
  readonly slot: number;
  readonly id: string;
  readonly settings: Settings;
  readonly sessionSecret: string;
  /** Where it listens: never 0. */
  readonly port: number;
  /** The folder of the relay sockets, `<id>.sock` each. Absolute. */
  readonly runtimeDir: string;
}

export type ToWorker =
  | StartMessage
  | { type: 'roster'; members: readonly Member[] }
  /** Stop taking traffic, finish what is in flight, exit 0. `rolling`: a replacement serves already, so sessions may run out the deadline. */
  | { type: 'drain'; deadlineMs: number; rolling: boolean }
  /** How many of the `count` that were asked for. */
  | { type: 'granted'; seq: number; granted: number }
  | { type: 'ask'; seq: number; topic: Topic }
  | { type: 'gathered'; seq: number; parts: readonly GatheredPart[] }
  /** Start each of these once, and end it again; answered with `tried`. */
  | { type: 'try'; seq: number; servers: readonly ServerDefinition[] }
  /** Serve with these from now on; answered with `adopted` when nothing new is served by the old ones. */
  | { type: 'settings'; seq: number; settings: Settings };

export type ToPrimary =
  /** It listens to messages from now on; those sent before would be lost. Answered with `start`. */
  | { type: 'hello' }
  /** Listening and able to serve. */
  | { type: 'ready'; engine: string }
  /** Could not start; the process exits with 1 right after. */
  | { type: 'boot-failed'; reason: string }
  | { type: 'heartbeat'; rssBytes: number; metrics: unknown }
  | { type: 'acquire'; seq: number; kind: QuotaKind; count: number }
  | { type: 'release'; kind: QuotaKind; count: number }
  /** A child process group to be killed should this worker die. */
  | { type: 'child-started'; pgid: number; server: string }
  | { type: 'child-exited'; pgid: number }
  /** Ask every worker (this one included) about `topic`; answered with `gathered` within about a second. */
  | { type: 'gather'; seq: number; topic: Topic }
  | { type: 'answer'; seq: number; value: unknown }
  | { type: 'tried'; seq: number; failures: readonly TrialFailure[] }
  | { type: 'adopted'; seq: number };
