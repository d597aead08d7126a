/**
 * What follows from the state of the fleet itself, whatever has just happened: the phase, the next step of a rolling
 * restart, the end. The last part of every decision.
 */
import type { FleetState, RestartReason, Slot } from './fleet-state.ts';
import type { Rules } from './rules.ts';
import { enterStopping, fork, kill, log, type Turn } from './turn.ts';

export function settle(turn: Turn): void {
  const { fleet, actions } = turn;
  if (fleet.phase === 'stopping') {
    finish(turn);
    return;
  }
  if (fleet.phase === 'stopped') return;
  if (isHopeless(fleet, turn.rules)) {
    const fault = fleet.slots.find(({ lastFault }) => lastFault !== undefined)?.lastFault;
    const what = fleet.served ? 'No worker is left' : 'No worker could start';
    enterStopping(turn, { code: 1, lastLine: `${what}: ${fault ?? 'no reason was given'}` });
    for (const { processes } of fleet.slots)
      for (const one of processes) if (one.state !== 'killing') kill(turn, one);
    finish(turn);
    return;
  }
  if (fleet.phase === 'starting' && fleet.served && fleet.slots.every(hadItsChance)) {
    fleet.phase = 'running';
    actions.push({ type: 'started' });
  }
  if (fleet.phase === 'running' || fleet.phase === 'rolling') advanceRoll(turn);
}

const hadItsChance = ({ failures, processes }: Slot): boolean =>
  failures > 0 || processes.some(({ readyMs }) => readyMs !== undefined);

function isHopeless({ served, slots }: FleetState, { bootAttempts }: Rules): boolean {
  return slots.every(({ failed, failures }) => (served ? failed : failures >= bootAttempts));
}

function finish({ fleet, actions }: Turn): void {
  if (fleet.slots.some(({ processes }) => processes.length > 0)) return;
  fleet.phase = 'stopped';
  actions.push({ type: 'exit', ...fleet.outcome });
}

/** One slot at a time: fork the replacement; it drains the old one when it is ready; the old one leaves; next. */
function advanceRoll(turn: Turn): void {
  const { fleet } = turn;
  const underWay = fleet.slots.some(({ processes }) =>
    processes.some(({ ending, replaces }) => replaces !== undefined || isRolled(ending)),
  );
  if (underWay) return;
  for (let roll = fleet.rolls.shift(); roll !== undefined; roll = fleet.rolls.shift()) {
    const slot = fleet.slots[roll.slot];
    if (slot === undefined) continue;
    fleet.phase = 'rolling';
    const old = slot.processes.find(({ state }) => state === 'ready');
    if (old !== undefined) {
      old.ending = roll.reason;
      slot.restart = roll.reason;
      fork(turn, slot, old.id);
      return;
    }
    // Who waits for its next attempt gets it now: whoever rolls has usually just repaired something.
    if (slot.processes.length === 0) {
      slot.failures = 0;
      fork(turn, slot);
    }
  }
  if (fleet.phase === 'rolling') {
    fleet.phase = 'running';
    log(turn, 'info', 'rolling restart ended', {});
  }
}

const isRolled = (ending: RestartReason | undefined): boolean => ending === 'roll' || ending === 'memory';
