/** What the load counts. Keeps the first few examples of what must not be, so that a broken run can be understood. */
import type { Verdict } from './verdict.ts';

const MAX_EXAMPLES = 10;

export class Tally {
  requests = 0;
  answered = 0;
  hung = 0;
  wrong = 0;
  unexpected = 0;
  /** Answers that nobody waited for any more. */
  left = 0;
  /** Due while as much was in flight as the load allows itself. */
  heldBack = 0;
  opened = 0;
  /** Sessions that went with a process, and those that must not have. */
  lost = 0;
  lostShared = 0;
  readonly failures = new Map<string, number>();
  readonly examples: string[] = [];

  count(verdict: Verdict, what: string): void {
    switch (verdict.kind) {
      case 'right':
        this.answered++;
        return;
      case 'left':
        this.left++;
        return;
      case 'hung':
        this.hung++;
        this.note(`hung: ${what}`);
        return;
      case 'wrong':
        this.wrong++;
        this.note(`wrong: ${what}: ${verdict.why}`);
        return;
      case 'failed': {
        const { reason, expected } = verdict;
        this.failures.set(reason, (this.failures.get(reason) ?? 0) + 1);
        if (expected) return;
        this.unexpected++;
        this.note(`unexpected: ${what}: ${reason}`);
      }
    }
  }

  note(example: string): void {
    if (this.examples.length < MAX_EXAMPLES) this.examples.push(`${new Date().toISOString()} ${example}`);
  }

  get failed(): number {
    let total = 0;
    for (const count of this.failures.values()) total += count;
    return total;
  }
}
