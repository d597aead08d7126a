/** One decision in the making, and the few steps of which every decision consists. */
import type { Action, FleetState, LogFields, Outcome, Slot, WorkerProcess } from './fleet-state.ts';
import type { Rules } from './rules.ts';

export interface Chance {
  /** An id that no process ever had. */
  id(): string;
  /** From 0 to 1, 1 excluded. */
  random(): number;
}

/** One decision in the making: the copy that it may change, and what it orders. */
export interface Turn {
  readonly fleet: FleetState;
  readonly actions: Action[];
  readonly nowMs: number;
  readonly rules: Rules;
  readonly chance: Chance;
}

export function log(turn: Turn, level: 'info' | 'warn' | 'error', message: string, fields: LogFields): void {
  turn.actions.push({ type: 'log', level, message, fields });
}

export function fork(turn: Turn, slot: Slot, replaces?: string): void {
  const { actions, nowMs, rules } = turn;
  const id = turn.chance.id();
  slot.processes.push({
    id,
    state: 'booting',
    deadlineMs: nowMs + rules.bootMs,
    beatMs: nowMs,
    readyMs: undefined,
    replaces,
    ending: undefined,
    fault: undefined,
  });
  slot.failed = false;
  slot.restUntilMs = undefined;
  actions.push({ type: 'fork', slot: slot.index, id });
  if (slot.restart !== undefined) actions.push({ type: 'restarted', slot: slot.index, reason: slot.restart });
  slot.restart = undefined;
}

export function drain(turn: Turn, one: WorkerProcess, rolling: boolean): void {
  const { drainMs, graceMs } = turn.rules;
  one.state = 'draining';
  one.deadlineMs = turn.nowMs + drainMs + graceMs;
  turn.actions.push({ type: 'drain', id: one.id, deadlineMs: drainMs, rolling });
}

export function kill(turn: Turn, one: WorkerProcess): void {
  one.state = 'killing';
  turn.actions.push({ type: 'kill', id: one.id, signal: 'SIGKILL' });
}

export function enterStopping({ fleet, nowMs }: Turn, outcome: Outcome): void {
  fleet.phase = 'stopping';
  fleet.stoppingMs = nowMs;
  fleet.outcome = outcome;
  fleet.rolls = [];
}
