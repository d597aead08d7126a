/**
 * Everything the primary and a worker say to each other over the fork's IPC channel: two unions, nothing else.
 * No client traffic passes here.
 */
import type { Settings } from '../config/settings.ts';

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

export type ToWorker =
  | { type: 'start'; slot: number; id: string; settings: Settings; sessionSecret: string; port: number }
  | { type: 'roster'; members: readonly Member[] }
  /** Stop taking traffic, finish what is in flight, exit 0. `rolling`: a replacement serves already, so sessions may run out the deadline. */
  | { type: 'drain'; deadlineMs: number; rolling: boolean }
  | { type: 'granted'; seq: number; granted: boolean }
  | { type: 'ask'; seq: number; topic: Topic }
  | { type: 'gathered'; seq: number; parts: readonly GatheredPart[] };

export type ToPrimary =
  /** Listening and able to serve. */
  | { type: 'ready'; engine: string }
  /** Could not start; the process exits with 1 right after. */
  | { type: 'boot-failed'; reason: string }
  | { type: 'heartbeat'; lagMs: number; inFlight: number; rssBytes: number; metrics: unknown }
  | { type: 'acquire'; seq: number; kind: QuotaKind; count: number }
  | { type: 'release'; kind: QuotaKind; count: number }
  /** A child process group to be killed should this worker die. */
  | { type: 'child-started'; pgid: number; server: string }
  | { type: 'child-exited'; pgid: number }
  /** Ask every worker (this one included) about `topic`; answered with `gathered` within about a second. */
  | { type: 'gather'; seq: number; topic: Topic }
  | { type: 'answer'; seq: number; value: unknown };
