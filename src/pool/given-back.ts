/**
 * Children that were one caller's alone for a while and wait for that caller's next call.
 */
import { now } from '../deadline.ts';
import type { Child } from './child.ts';

interface Idle {
  readonly child: Child;
  readonly sinceMs: number;
}

export class GivenBack {
  readonly #idle = new Map<string, Idle[]>();

  put(key: string, child: Child): void {
    const idle = this.#idle.get(key) ?? [];
    this.#idle.set(key, idle);
    idle.push({ child, sinceMs: now() });
  }

  /** One that was given back under the same key and lives; it is the caller's from now on. */
  take(key: string): Child | undefined {
    const idle = this.#idle.get(key) ?? [];
    for (let last = idle.pop(); last !== undefined; last = idle.pop()) {
      if (last.child.state === 'ready') return last.child; // others died meanwhile
    }
    return undefined;
  }

  /** Ends those that nobody has asked for in `idleMs`. */
  maintain(idleMs: number): void {
    for (const [key, idle] of this.#idle) {
      const kept = idle.filter(({ child, sinceMs }) => child.state === 'ready' && now() - sinceMs <= idleMs);
      for (const { child } of idle) if (!kept.some((entry) => entry.child === child)) void child.close();
      if (kept.length > 0) this.#idle.set(key, kept);
      else this.#idle.delete(key);
    }
  }
}
