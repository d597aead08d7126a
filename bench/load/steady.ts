/**
 * Requests at a steady rate for large answers, which are counted in bytes as they come and not kept: a client that
 * gathers 100 MB a second would take the machine from what is measured.
 */
import { Agent, request } from 'node:http';
import type { Ask, LoadPlan } from './plan.ts';

/** More would only queue. */
const MAX_PENDING = 20;
const ANSWER_MS = 15_000;

export interface Steady {
  /** Asks no more, and waits for what is on its way. */
  stop(): Promise<SteadyResult>;
}

export interface SteadyResult {
  readonly received: number;
  /** In which was asked. */
  readonly seconds: number;
  readonly errors: number;
  /** The first error. */
  readonly sample: string;
}

type Order = Pick<LoadPlan, 'port' | 'path' | 'headers'> & { readonly ask: Ask };

/** An answer is right when it is a 200 of at least `minBytes`. */
export function startSteady(
  order: Order,
  { perSecond, minBytes }: { readonly perSecond: number; readonly minBytes: number },
): Steady {
  const agent = new Agent({ keepAlive: true });
  const pending = new Set<Promise<void>>();
  const startedAt = performance.now();
  let due = 0;
  let received = 0;
  let errors = 0;
  let sample = '';
  const askOnce = async (): Promise<void> => {
    try {
      const { status, bytes } = await countBytes(order, agent);
      if (status !== 200 || bytes < minBytes) throw new Error(`${status}, ${bytes} bytes`);
      received++;
    } catch (error) {
      errors++;
      if (sample === '') sample = `large answer: ${(error as Error).message}`;
    }
  };
  // By the clock and not by the interval, which a busy loop makes late each time.
  const catchUp = (): void => {
    for (; due <= ((performance.now() - startedAt) / 1000) * perSecond; due++) {
      if (pending.size >= MAX_PENDING) continue;
      const one: Promise<void> = askOnce().finally(() => pending.delete(one));
      pending.add(one);
    }
  };
  catchUp();
  const timer = setInterval(catchUp, 1000 / perSecond / 2);
  return {
    async stop() {
      clearInterval(timer);
      const seconds = (performance.now() - startedAt) / 1000;
      await Promise.all(pending);
      agent.destroy();
      return { received, seconds, errors, sample };
    },
  };
}

function countBytes(
  { port, path, headers, ask }: Order,
  agent: Agent,
): Promise<{ readonly status: number; readonly bytes: number }> {
  return new Promise((resolve, reject) => {
    const options = { agent, port, path, method: 'POST', headers: { ...headers, ...ask.headers } };
    const signal = AbortSignal.timeout(ANSWER_MS);
    const sent = request({ ...options, host: '127.0.0.1', signal }, (response) => {
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, bytes }));
      response.on('error', reject);
    });
    sent.on('error', reject);
    sent.end(ask.body);
  });
}
