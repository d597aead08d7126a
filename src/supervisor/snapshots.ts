/**
 * The last metrics snapshot of every live worker, and one total of all the dead ones. What was shown once stays
 * counted: a scrape's answers replace the stored snapshots, and only stored snapshots are ever shown.
 */
import type { GatheredPart } from '../ipc/messages.ts';
import { retire } from '../metrics/merge.ts';

export interface Snapshots {
  keep(slot: number, id: string, value: unknown): void;
  retire(id: string): void;
  /** All there is to merge: the live workers, the dead ones' total, the primary. */
  parts(): readonly GatheredPart[];
}

const PRIMARY_SLOT = -1;

/** `primary` takes a snapshot of the primary's own metrics. */
export function createSnapshots(primary: () => unknown): Snapshots {
  const live = new Map<string, GatheredPart>();
  let retired: unknown;

  return {
    keep(slot, id, value) {
      live.set(id, { slot, id, value });
    },
    retire(id) {
      const last = live.get(id);
      if (last === undefined) return;
      live.delete(id);
      retired = retire(retired, last.value);
    },
    parts: () => [
      ...live.values(),
      ...(retired === undefined ? [] : [{ slot: PRIMARY_SLOT, id: 'retired', value: retired }]),
      { slot: PRIMARY_SLOT, id: 'primary', value: primary() },
    ],
  };
}
