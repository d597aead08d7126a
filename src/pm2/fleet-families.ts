/** The metrics that our own primary would count: here each process counts its own start, and whoever is asked counts the slots. */
import type { Member } from '../ipc/messages.ts';
import { PRIMARY_METRICS } from '../metrics/catalogue.ts';
import { createCounter, createGauge } from '../metrics/tally.ts';

/** How the slot's last process ended: it died, or it was asked to. */
export type Succession = 'crash' | 'roll';

export interface FleetFamilies {
  /** The worker's snapshot with the count of this process's own start. */
  with(snapshot: unknown): unknown;
  /** What is known of all slots. */
  ofAll(): unknown;
}

export function createFleetFamilies(
  slot: number,
  succession: Succession | undefined,
  members: () => readonly Member[],
): FleetFamilies {
  const restarts = createCounter(PRIMARY_METRICS.workerRestarts);
  if (succession !== undefined) restarts.child(slot, succession).add();
  const workers = createGauge(PRIMARY_METRICS.workers);
  workers.collect((set) => {
    for (const [state, count] of Object.entries(countSlots(members()))) set(count, state);
  });
  return {
    with: (snapshot) => (Array.isArray(snapshot) ? [...snapshot, restarts.snapshot()] : snapshot),
    ofAll: () => [workers.snapshot()],
  };
}

/** A slot with two processes counts once, by the one that matters more. PM2 does not tell us of the states that are missing here. */
function countSlots(members: readonly Member[]): Readonly<Record<string, number>> {
  const counts = { booting: 0, ready: 0, draining: 0, cooling: 0, failed: 0 };
  for (const slot of new Set(members.map((member) => member.slot))) {
    const states = members.filter((member) => member.slot === slot).map(({ state }) => state);
    const state = (['ready', 'booting', 'draining'] as const).find((each) => states.includes(each));
    if (state !== undefined) counts[state]++;
  }
  return counts;
}
