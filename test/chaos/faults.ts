/**
 * Carries out what the schedule orders: whom it hits is found among the processes of this bridge at that moment.
 * Nothing that was stopped stays stopped, and no other process is ever signalled.
 */
import type { Load } from './load.ts';
import { type Process, signal } from './processes.ts';
import { FAULT_KINDS, type Fault, type FaultKind } from './schedule.ts';
import type { Subject } from './subject.ts';

export interface Faults {
  readonly injected: ReadonlyMap<FaultKind, number>;
  /** Ordered while nobody was there to be hit. */
  readonly missed: number;
  /** Undoes what lasts, and orders nothing more. */
  end(): void;
}

export function injectFaults(faults: readonly Fault[], subject: Subject, load: Load): Faults {
  const injected = new Map<FaultKind, number>(FAULT_KINDS.map((kind) => [kind, 0]));
  const undo = new Map<NodeJS.Timeout, () => void>();
  let missed = 0;

  const lasting = (forMs: number, finish: () => void): void => {
    const timer = setTimeout(() => {
      undo.delete(timer);
      finish();
    }, forMs);
    undo.set(timer, finish);
  };

  const stopFor = (one: Process | undefined, forMs: number): boolean => {
    if (one === undefined || !signal(one, 'SIGSTOP')) return false;
    lasting(forMs, () => signal(one, 'SIGCONT'));
    return true;
  };

  const carryOut = ({ kind, victim, forMs }: Fault): boolean => {
    switch (kind) {
      case 'worker SIGKILL':
        return kill(pick(subject.tree().workers, victim));
      case 'worker stopped, below the heartbeat limit':
      case 'worker stopped, past the heartbeat limit':
        return stopFor(pick(subject.tree().workers, victim), forMs);
      case 'child SIGKILL':
        return kill(pick(subject.tree().children, victim));
      case 'child stopped, below the request timeout':
      case 'child stopped, past the request timeout':
        return stopFor(pick(subject.tree().children, victim), forMs);
      case 'file changed, SIGHUP':
        subject.writeServers();
        subject.signalPrimary('SIGHUP');
        return true;
      case 'file broken, SIGHUP':
        subject.writeServers(true);
        subject.signalPrimary('SIGHUP');
        lasting(forMs, () => subject.mendServers());
        return true;
      case 'rolling restart, SIGUSR2':
        subject.signalPrimary('SIGUSR2');
        return true;
      case 'client gone in mid-call':
        return load.leaveInMidCall(victim);
      case 'client gone while opening':
        return load.leaveWhileOpening(victim);
      case 'session abandoned':
        return load.abandon(victim);
    }
  };

  const timers = faults.map((fault) =>
    setTimeout(() => {
      if (carryOut(fault)) injected.set(fault.kind, (injected.get(fault.kind) ?? 0) + 1);
      else missed++;
    }, fault.atMs),
  );

  return {
    injected,
    get missed() {
      return missed;
    },
    end() {
      for (const timer of timers) clearTimeout(timer);
      for (const [timer, finish] of undo) {
        clearTimeout(timer);
        finish();
      }
      undo.clear();
    },
  };
}

const kill = (one: Process | undefined): boolean => one !== undefined && signal(one, 'SIGKILL');

function pick(from: readonly Process[], victim: number): Process | undefined {
  // By age, so that the same draw means the same one wherever ids happen to be.
  const byAge = from.toSorted((a, b) => Number(a.startTime) - Number(b.startTime) || a.pid - b.pid);
  return byAge[Math.floor(victim * byAge.length)];
}
