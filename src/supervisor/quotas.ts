/**
 * What is limited for the whole bridge: how much each worker holds, and how much is left. Exact, because only the
 * primary counts; a dead worker gives everything back.
 */
import type { QuotaKind } from '../ipc/messages.ts';

export type QuotaLimits = Readonly<Record<QuotaKind, number>>;

export interface Quotas {
  /** Grants up to `count`; answers how many. */
  acquire(worker: string, kind: QuotaKind, count: number): number;
  release(worker: string, kind: QuotaKind, count: number): void;
  /** The worker is gone, and all that it held is free again. */
  forget(worker: string): void;
}

export function createQuotas(limits: QuotaLimits): Quotas {
  const held: Record<QuotaKind, Map<string, number>> = { sessions: new Map(), children: new Map() };
  const used: Record<QuotaKind, number> = { sessions: 0, children: 0 };

  const change = (worker: string, kind: QuotaKind, by: number): void => {
    const holds = (held[kind].get(worker) ?? 0) + by;
    if (holds === 0) held[kind].delete(worker);
    else held[kind].set(worker, holds);
    used[kind] += by;
  };

  return {
    acquire(worker, kind, count) {
      const granted = Math.max(0, Math.min(count, limits[kind] - used[kind]));
      change(worker, kind, granted);
      return granted;
    },
    release(worker, kind, count) {
      change(worker, kind, -Math.min(count, held[kind].get(worker) ?? 0));
    },
    forget(worker) {
      for (const kind of ['sessions', 'children'] as const) {
        change(worker, kind, -(held[kind].get(worker) ?? 0));
      }
    },
  };
}
