/**
 * The supervisor's judgement: what happened, and what follows. Pure: the clock, ids and chance are given, and the
 * fleet that comes in is not changed. The shell (supervisor.ts) carries the actions out in their order.
 */
import {
  type Action,
  copyFleet,
  type FleetEvent,
  type FleetState,
  membersOf,
  type Slot,
  type WorkerProcess,
} from './fleet-state.ts';
import type { Rules } from './rules.ts';
import { settle } from './settle.ts';
import { type Chance, drain, enterStopping, fork, kill, log, type Turn } from './turn.ts';

interface Decision {
  readonly fleet: FleetState;
  readonly actions: readonly Action[];
}

export type Decide = (fleet: FleetState, event: FleetEvent, nowMs: number) => Decision;

interface Place {
  readonly slot: Slot;
  readonly one: WorkerProcess;
}

export function createDecide(rules: Rules, chance: Chance): Decide {
  return (before, event, nowMs) => {
    const turn: Turn = { fleet: copyFleet(before), actions: [], nowMs, rules, chance };
    apply(turn, event);
    settle(turn);
    return { fleet: turn.fleet, actions: ordered(before, turn) };
  };
}

/** Forks first, then who is there now, then the rest: nobody is drained before the others know. */
function ordered(before: FleetState, { fleet, actions }: Turn): readonly Action[] {
  const members = membersOf(fleet);
  const changed = JSON.stringify(members) !== JSON.stringify(membersOf(before));
  const isFork = (action: Action): boolean => action.type === 'fork';
  return [
    ...actions.filter(isFork),
    ...(changed ? [{ type: 'roster', members } as const] : []),
    ...actions.filter((action) => !isFork(action)),
  ];
}

function apply(turn: Turn, event: FleetEvent): void {
  const { fleet } = turn;
  switch (event.type) {
    case 'start':
      for (const slot of fleet.slots) fork(turn, slot);
      return;
    case 'tick':
      tick(turn);
      break;
    case 'stop':
      stop(turn);
      break;
    case 'roll':
      fleet.rolls = fleet.slots.map(({ index }) => ({ slot: index, reason: 'roll' }));
      log(turn, 'info', 'rolling restart asked for', { workers: fleet.slots.length });
      break;
    default: {
      const place = find(fleet, event.id);
      if (place === undefined) return;
      if (event.type === 'booted') booted(turn, place, event.engine);
      else if (event.type === 'boot-failed') bootFailed(turn, place.one, event.reason);
      else if (event.type === 'beat') beat(turn, place, event.rssBytes);
      else {
        exited(turn, place, event.code, event.signal);
        turn.actions.push({ type: 'reap', id: event.id });
      }
    }
  }
}

function find(fleet: FleetState, id: string): Place | undefined {
  for (const slot of fleet.slots) {
    const one = slot.processes.find((candidate) => candidate.id === id);
    if (one !== undefined) return { slot, one };
  }
  return undefined;
}

function booted(turn: Turn, { slot, one }: Place, engine: string): void {
  if (one.state !== 'booting') return;
  one.state = 'ready';
  one.readyMs = turn.nowMs;
  one.beatMs = turn.nowMs;
  turn.fleet.served = true;
  log(turn, 'info', 'worker ready', { slot: slot.index, worker: one.id, engine });
  const old = slot.processes.find(({ id }) => id === one.replaces);
  one.replaces = undefined;
  if (old?.state === 'ready') drain(turn, old, true);
}

/** It ends by itself now; should it not, it gets no more of its boot time. */
function bootFailed({ nowMs, rules }: Turn, one: WorkerProcess, reason: string): void {
  one.fault = reason;
  one.deadlineMs = Math.min(one.deadlineMs, nowMs + rules.graceMs);
}

/** A beat proves life; its memory may ask for a replacement, but never again and again for one that is born large. */
function beat(turn: Turn, { slot, one }: Place, rssBytes: number): void {
  const { fleet, nowMs, rules } = turn;
  one.beatMs = nowMs;
  if (rules.maxMemoryBytes === 0 || rssBytes <= rules.maxMemoryBytes) return;
  if (one.state !== 'ready' || nowMs < slot.memoryRollMs || fleet.phase === 'stopping') return;
  if (one.readyMs === undefined || nowMs - one.readyMs < rules.memoryYoungMs) return;
  if (fleet.rolls.some((roll) => roll.slot === slot.index) || slot.processes.length > 1) return;
  slot.memoryRollMs = nowMs + rules.memoryPauseMs;
  fleet.rolls.push({ slot: slot.index, reason: 'memory' });
  log(turn, 'warn', 'worker is above WORKER_MAX_MEMORY_MB and will be replaced', {
    slot: slot.index,
    worker: one.id,
    rssBytes,
    maxBytes: rules.maxMemoryBytes,
  });
}

function tick(turn: Turn): void {
  const { fleet, nowMs } = turn;
  forgiveStall(turn);
  fleet.tickedMs = nowMs;
  const isUp = fleet.phase !== 'stopping' && fleet.phase !== 'stopped';
  for (const slot of fleet.slots) {
    for (const one of slot.processes) judge(turn, slot, one);
    const isDue = slot.restUntilMs !== undefined && slot.restUntilMs <= nowMs;
    if (isDue && slot.processes.length === 0 && isUp) fork(turn, slot);
  }
}

/** A primary that was stopped (SIGSTOP, a frozen machine) must not take its own silence for its workers'. */
function forgiveStall({ fleet, nowMs, rules }: Turn): void {
  const stalledMs = fleet.tickedMs === undefined ? 0 : nowMs - fleet.tickedMs;
  if (stalledMs <= rules.stallMs) return;
  for (const one of fleet.slots.flatMap(({ processes }) => processes)) {
    one.beatMs += stalledMs;
    one.deadlineMs += stalledMs;
  }
}

function judge(turn: Turn, slot: Slot, one: WorkerProcess): void {
  const { nowMs, rules } = turn;
  const fields = { slot: slot.index, worker: one.id };
  if (one.state === 'booting' && nowMs >= one.deadlineMs) {
    one.ending = 'boot';
    one.fault ??= `worker ${slot.index} was not ready ${rules.bootMs / 1000} s after its start`;
    log(turn, 'error', 'worker does not become ready and is killed', fields);
    kill(turn, one);
  } else if (one.state === 'draining' && nowMs >= one.deadlineMs) {
    log(turn, 'warn', 'worker did not finish draining and is killed', fields);
    kill(turn, one);
  } else if ((one.state === 'ready' || one.state === 'draining') && nowMs - one.beatMs >= rules.silentMs) {
    one.ending ??= 'hang';
    one.fault = `worker ${slot.index} hung: no heartbeat for ${rules.silentMs / 1000} s`;
    log(turn, 'error', 'worker hangs and is killed', { ...fields, silentMs: Math.round(nowMs - one.beatMs) });
    kill(turn, one);
  }
}

function stop(turn: Turn): void {
  const { fleet, nowMs, rules } = turn;
  if (fleet.phase === 'stopped') return;
  const processes = fleet.slots.flatMap((slot) => slot.processes);
  if (fleet.phase === 'stopping') {
    if (nowMs - fleet.stoppingMs < rules.sameSignalMs) return;
    log(turn, 'warn', 'asked again to stop: stopping at once', { workers: processes.length });
    for (const one of processes) if (one.state !== 'killing') kill(turn, one);
    return;
  }
  enterStopping(turn, { code: 0, lastLine: undefined });
  log(turn, 'info', 'stopping: workers finish what is in flight', { workers: processes.length });
  for (const one of processes) {
    // A worker that is not ready yet has nothing to finish; a draining one learns that no replacement waits for it.
    if (one.state === 'booting') kill(turn, one);
    else if (one.state !== 'killing') drain(turn, one, false);
  }
}

function exited(turn: Turn, { slot, one }: Place, code: number | null, signal: string | null): void {
  const { fleet } = turn;
  slot.processes = slot.processes.filter(({ id }) => id !== one.id);
  const fields = { slot: slot.index, worker: one.id, code, signal };
  const rolledAway = one.ending === 'roll' || one.ending === 'memory';
  const successor = slot.processes.find(({ replaces }) => replaces === one.id);

  if (fleet.phase === 'stopping' || (rolledAway && successor === undefined)) {
    const clean = code === 0 && signal === null;
    log(turn, clean ? 'info' : 'warn', 'worker left', fields);
    return;
  }
  const fault = one.fault ?? describeExit(slot.index, code, signal);
  if (one.replaces !== undefined && slot.processes.some(({ id }) => id === one.replaces)) {
    replacementFailed(turn, { slot, one }, fault);
    return;
  }
  log(turn, 'error', 'worker died', { ...fields, fault });
  // The replacement of a rolling restart is on its way already: it simply takes the place.
  if (successor !== undefined) {
    successor.replaces = undefined;
    return;
  }
  died(turn, { slot, one }, fault);
}

function replacementFailed(turn: Turn, { slot, one }: Place, fault: string): void {
  const { fleet, nowMs, rules } = turn;
  const old = slot.processes.find(({ id }) => id === one.replaces);
  if (old !== undefined) old.ending = undefined;
  slot.memoryRollMs = nowMs + rules.memoryPauseMs;
  fleet.rolls = [];
  log(turn, 'error', 'rolling restart given up: the replacement failed, the old worker goes on', {
    slot: slot.index,
    worker: one.replaces,
    replacement: one.id,
    fault,
  });
}

function died(turn: Turn, { slot, one }: Place, fault: string): void {
  const { nowMs, rules, chance } = turn;
  const wasStable = one.readyMs !== undefined && nowMs - one.readyMs >= rules.stableMs;
  slot.failures = wasStable ? 1 : slot.failures + 1;
  slot.lastFault = fault;
  slot.restart = one.ending ?? (one.readyMs === undefined ? 'boot' : 'crash');
  if (turn.fleet.served && slot.failures > rules.crashBudget) {
    slot.failed = true;
    slot.restUntilMs = nowMs + rules.failedMs;
    log(turn, 'error', 'worker slot failed: too many deaths in a row', {
      slot: slot.index,
      deaths: slot.failures,
      nextAttemptMs: rules.failedMs,
      fault,
    });
    return;
  }
  const fullMs = Math.min(rules.backOffMaxMs, rules.backOffFirstMs * 2 ** (slot.failures - 1));
  // Between half and whole: workers that died together do not come back together.
  slot.restUntilMs = nowMs + fullMs * (0.5 + chance.random() / 2);
}

/** Out of memory is the usual sender of a SIGKILL that nobody here sent. */
function describeExit(slot: number, code: number | null, signal: string | null): string {
  if (signal === 'SIGKILL') return `worker ${slot} was killed by SIGKILL (perhaps out of memory)`;
  if (signal !== null) return `worker ${slot} was killed by ${signal}`;
  return `worker ${slot} exited with code ${code}`;
}
