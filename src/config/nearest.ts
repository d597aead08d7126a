/** Which known name was meant: the hint in "did you mean". */

/** Edits (insert, delete, replace, swap of neighbours) that turn `a` into `b`. */
export function distance(a: string, b: string): number {
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const replace = (previous[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1);
      const insert = (current[column - 1] ?? 0) + 1;
      const remove = (previous[column] ?? 0) + 1;
      const swapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      const swap = swapped ? (beforePrevious[column - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY;
      current.push(Math.min(replace, insert, remove, swap));
    }
    beforePrevious = previous;
    previous = current;
  }
  return previous[b.length] ?? 0;
}

const plain = (name: string): string => name.toLowerCase().replaceAll(/[_-]/g, '');

/**
 * The known name that `name` most likely stands for, or undefined when none is near: a third of its letters may be
 * wrong, case and separators do not count, and a beginning of three letters or more stands for the whole.
 */
export function nearest(name: string, known: Iterable<string>): string | undefined {
  const wanted = plain(name);
  if (wanted.length > 64) return undefined;
  let best: string | undefined;
  let bestEdits = Math.max(1, Math.floor(wanted.length / 3)) + 1;
  let begins: string | undefined;
  for (const candidate of known) {
    const edits = distance(wanted, plain(candidate));
    if (edits < bestEdits && edits < candidate.length) {
      best = candidate;
      bestEdits = edits;
    }
    if (wanted.length >= 3 && plain(candidate).startsWith(wanted)) begins ??= candidate;
  }
  return best ?? begins;
}
