/**
 * Log lines for a stream instead of a file descriptor: for a process whose stdout somebody else in it has taken over.
 * Owns only the question whether they are written; what waits is the stream's.
 */
import type { LineWriter } from './line-writer.ts';

export function createStreamWriter(
  stream: Pick<NodeJS.WriteStream, 'write'>,
  onTrouble: (what: string) => void,
): LineWriter {
  const flushing: (() => void)[] = [];
  let waiting = 0;
  return {
    write(line) {
      waiting++;
      // With the encoding, because who has taken the stream over may look for the callback behind it only.
      stream.write(line, 'utf8', (error) => {
        waiting--;
        if (error) onTrouble(error.message);
        if (waiting === 0) for (const resolve of flushing.splice(0)) resolve();
      });
    },
    flush: () => (waiting === 0 ? Promise.resolve() : new Promise((resolve) => flushing.push(resolve))),
    // The stream is not ours to hurry.
    flushSync: () => undefined,
  };
}
