/**
 * What the supervisor remembers of its fleet, as plain data, with the events that change it and the actions that
 * follow. Owns no rule of change: that is decide.ts.
 *
 *   slot:   empty -> booting -> ready -> draining -> (killing) -> cooling -> booting …      or failed
 *   fleet:  starting -> running <-> rolling,  any of them -> stopping -> stopped
 *
 * A slot is a stable place; the processes in it come and go, and in a rolling restart there are two for a while.
 */
import type { Member } from '../ipc/messages.ts';

type ProcessState = 'booting' | 'ready' | 'draining' | 'killing';
export type SlotState = 'empty' | ProcessState | 'cooling' | 'failed';
type Phase = 'starting' | 'running' | 'rolling' | 'stopping' | 'stopped';

/** Why a process was replaced by another one: the label of `worker_restarts_total`. */
export type RestartReason = 'crash' | 'hang' | 'boot' | 'memory' | 'roll';

export interface WorkerProcess {
  readonly id: string;
  state: ProcessState;
  /** When it must have left `booting` or `draining`. */
  deadlineMs: number;
  /** The last sign of life. */
  beatMs: number;
  /** Undefined before it was ready. */
  readyMs: number | undefined;
  /** The process that it drains once it is ready itself. */
  replaces: string | undefined;
  /** Why it is put away; undefined when its end would surprise. */
  ending: RestartReason | undefined;
  /** What it said of its own failure, or what is held against it. */
  fault: string | undefined;
}

export interface Slot {
  readonly index: number;
  processes: WorkerProcess[];
  /** Deaths in a row, none of them after a stable time in service. */
  failures: number;
  lastFault: string | undefined;
  failed: boolean;
  /** When the next process is forked; undefined while one is there. */
  restUntilMs: number | undefined;
  /** Why the next process is forked; undefined for the first one. */
  restart: RestartReason | undefined;
  /** Earliest time of the next roll for memory. */
  memoryRollMs: number;
}

interface Roll {
  readonly slot: number;
  readonly reason: 'roll' | 'memory';
}

export interface FleetState {
  phase: Phase;
  slots: Slot[];
  /** Slots still to be rolled, in order. */
  rolls: Roll[];
  /** Whether any worker was ever ready. */
  served: boolean;
  tickedMs: number | undefined;
  stoppingMs: number;
  /** How the primary ends, once `stopping`. */
  outcome: Outcome;
}

export interface Outcome {
  readonly code: number;
  /** The last line for the operator; undefined when there is nothing to explain. */
  readonly lastLine: string | undefined;
}

export type FleetEvent =
  | { type: 'start' }
  | { type: 'booted'; id: string; engine: string }
  | { type: 'boot-failed'; id: string; reason: string }
  | { type: 'exited'; id: string; code: number | null; signal: string | null }
  | { type: 'beat'; id: string; rssBytes: number }
  | { type: 'tick' }
  | { type: 'stop' }
  | { type: 'roll' };

export type Action =
  | { type: 'fork'; slot: number; id: string }
  | { type: 'roster'; members: readonly Member[] }
  | { type: 'drain'; id: string; deadlineMs: number; rolling: boolean }
  | { type: 'kill'; id: string; signal: 'SIGKILL' }
  /** The process is gone: kill what it left, give back what it held, keep what it counted. */
  | { type: 'reap'; id: string }
  | { type: 'restarted'; slot: number; reason: RestartReason }
  /** Every slot had its first chance, and at least one serves. */
  | { type: 'started' }
  | { type: 'exit'; code: number; lastLine: string | undefined }
  | { type: 'log'; level: 'info' | 'warn' | 'error'; message: string; fields: LogFields };

export type LogFields = Readonly<Record<string, string | number | null | undefined>>;

export function emptyFleet(slots: number): FleetState {
  return {
    phase: 'starting',
    slots: Array.from({ length: slots }, (_, index) => ({
      index,
      processes: [],
      failures: 0,
      lastFault: undefined,
      failed: false,
      restUntilMs: undefined,
      restart: undefined,
      memoryRollMs: 0,
    })),
    rolls: [],
    served: false,
    tickedMs: undefined,
    stoppingMs: 0,
    outcome: { code: 0, lastLine: undefined },
  };
}

export function copyFleet(fleet: FleetState): FleetState {
  return {
    ...fleet,
    slots: fleet.slots.map((slot) => ({ ...slot, processes: slot.processes.map((one) => ({ ...one })) })),
    rolls: [...fleet.rolls],
  };
}

/** The state of the process that matters most in the slot, else the slot's own. */
export function slotState(slot: Slot): SlotState {
  for (const state of ['ready', 'booting', 'draining', 'killing'] as const) {
    if (slot.processes.some((one) => one.state === state)) return state;
  }
  if (slot.failed) return 'failed';
  return slot.restUntilMs === undefined ? 'empty' : 'cooling';
}

/** Who can be talked to. A process that is being killed cannot. */
export function membersOf(fleet: FleetState): readonly Member[] {
  return fleet.slots.flatMap((slot) =>
    slot.processes.flatMap(({ id, state }) => (state === 'killing' ? [] : [{ slot: slot.index, id, state }])),
  );
}

/** Slots by state, for the metric `workers{state}`, which knows no `killing`: such a slot is still leaving. */
export function countSlots(fleet: FleetState): Readonly<Record<string, number>> {
  const counts = { booting: 0, ready: 0, draining: 0, cooling: 0, failed: 0 };
  for (const slot of fleet.slots) {
    const state = slotState(slot);
    if (state !== 'empty') counts[state === 'killing' ? 'draining' : state]++;
  }
  return counts;
}
