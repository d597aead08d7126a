/**
 * The limit: the echo server driven over its own pipes, with no HTTP and no bridge between. Writes are joined for
 * each chunk of answers, and each answer is compared with the text it must be.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { echoCalls } from '../load/calls.ts';
import { Latencies } from '../load/latencies.ts';
import type { LoadResult } from '../load/plan.ts';
import type { Contender } from '../measure.ts';
import { SERVERS } from '../targets/target.ts';

/** With so many calls in flight; what it costs is the client's, which is this process. */
export const directPipe = (name: string, inFlight: number): Contender => ({
  name,
  pids: () => [process.pid],
  drive: (seconds) => drivePipe(inFlight, seconds),
});

async function drivePipe(inFlight: number, seconds: number): Promise<LoadResult> {
  const child = spawn(process.execPath, [join(SERVERS, 'echo.mjs')], { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdout.setEncoding('utf8');
  const requests = echoCalls().map(({ body }) => `${body}\n`);
  const answers = requests.map((_, index) => answerTo(index + 1));
  const latencies = new Latencies();
  /** When each call in flight was sent; the server answers in order. */
  const sentAt: number[] = [];
  let sent = 0;
  let received = 0;
  let errors = 0;
  let sample = '';
  let rest = '';

  const started = await firstAnswer(child.stdin, child.stdout, requests[0] ?? '');
  const endsAt = started + seconds * 1000;
  const send = (count: number, time: number): void => {
    let joined = '';
    for (let i = 0; i < count; i++) {
      joined += requests[sent % requests.length];
      sentAt[sent % inFlight] = time;
      sent++;
    }
    if (joined !== '') child.stdin.write(joined);
  };
  const finished = new Promise<void>((resolve, reject) => {
    child.once('exit', () => reject(new Error('The echo server ended in the middle of the run.')));
    child.stdout.on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      const time = performance.now();
      for (const line of lines) {
        if (line !== answers[received % answers.length]) {
          errors++;
          if (sample === '') sample = line.slice(0, 200);
        }
        latencies.add((time - (sentAt[received % inFlight] ?? time)) * 1000);
        received++;
      }
      if (time < endsAt) send(lines.length, time);
      else if (received === sent) resolve();
    });
  });
  send(inFlight, started);
  await finished;
  const elapsedSeconds = (performance.now() - started) / 1000;
  child.removeAllListeners('exit');
  child.stdin.end();
  await once(child, 'exit');
  const [p50Us, p99Us] = [latencies.percentile(0.5), latencies.percentile(0.99)];
  return { requests: received, seconds: elapsedSeconds, p50Us, p99Us, errors, sample };
}

const answerTo = (n: number): string =>
  `{"jsonrpc":"2.0","id":${n},"result":{"content":[{"type":"text","text":"echo ${n}"}]}}`;

/** Waits until the server has booted; returns the time of its first answer. */
async function firstAnswer(
  stdin: NodeJS.WritableStream,
  stdout: NodeJS.ReadableStream,
  request: string,
): Promise<number> {
  stdin.write(request);
  await once(stdout, 'data');
  return performance.now();
}
