/**
 * How many CPUs this process may use: what the scheduler offers, limited by the CPU quota of its control group,
 * which `os.availableParallelism` of Node 20 does not look at. Without it a pod limited to 500m on a node of 64
 * cores would fork 64 workers.
 */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { posix } from 'node:path';

export type ReadText = (path: string) => string | undefined;

/** `max 100000` or `150000 100000` of cgroup v2, as CPUs. */
export function quotaOfV2(text: string | undefined): number {
  const [quota, period] = (text ?? '').trim().split(/\s+/).map(Number);
  return quotient(quota, period);
}

/** `cpu.cfs_quota_us` (-1: none) and `cpu.cfs_period_us` of cgroup v1, as CPUs. */
export function quotaOfV1(quota: string | undefined, period: string | undefined): number {
  return quotient(Number(quota ?? Number.NaN), Number(period ?? Number.NaN));
}

function quotient(quota: number | undefined, period: number | undefined): number {
  if (quota === undefined || period === undefined || !(quota > 0) || !(period > 0))
    return Number.POSITIVE_INFINITY;
  return quota / period;
}

/** The folder and all above it up to the root: any of them may hold the narrower quota. */
function upwards(path: string): string[] {
  const folders = [path];
  for (let folder = path; folder !== '/' && folder !== '.'; folder = posix.dirname(folder)) {
    folders.push(posix.dirname(folder));
  }
  return folders;
}

/** The narrowest CPU quota above this process, in CPUs; infinite where there is none. */
export function cgroupQuota(read: ReadText): number {
  const quotas = [Number.POSITIVE_INFINITY];
  for (const line of (read('/proc/self/cgroup') ?? '').split('\n')) {
    const parts = /^\d+:([^:]*):(\/.*)$/.exec(line);
    if (parts === null) continue;
    const [, controllers = '', path = '/'] = parts;
    if (controllers === '') {
      for (const folder of upwards(path)) {
        quotas.push(quotaOfV2(read(posix.join('/sys/fs/cgroup', folder, 'cpu.max'))));
      }
    } else if (controllers.split(',').includes('cpu')) {
      for (const folder of upwards(path)) {
        const at = posix.join('/sys/fs/cgroup/cpu', folder);
        quotas.push(
          quotaOfV1(read(posix.join(at, 'cpu.cfs_quota_us')), read(posix.join(at, 'cpu.cfs_period_us'))),
        );
      }
    }
  }
  return Math.min(...quotas);
}

/** Whole CPUs, at least one. Rounded down: what is left over of a quota feeds the children. */
export const limitedCpus = (available: number, quota: number): number =>
  Math.max(1, Math.floor(Math.min(available, quota)));

export function usableCpus(): number {
  const read: ReadText = (path) => {
    try {
      return readFileSync(path, 'utf8');
    } catch {
      return undefined;
    }
  };
  return limitedCpus(availableParallelism(), cgroupQuota(read));
}
