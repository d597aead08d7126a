/**
 * Requests at a steady rate for large answers, which are counted in bytes as they come and not kept: a client that
 * gathers 100 MB a second would take the machine from what is measured.
 */
import { connect } from 'node:net';
import { type Ask, type LoadPlan, wireRequest } from './plan.ts';

/** More would only queue. */
const MAX_PENDING = 20;
const ANSWER_MS = 15_000;
const READ_BYTES = 256 * 1024;

export interface SteadyOrder extends Pick<LoadPlan, 'port' | 'path' | 'headers'> {
  readonly ask: Ask;
  readonly perSecond: number;
  /** An answer is right when it is a 200 of at least so many. */
  readonly minBytes: number;
}

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

export function startSteady(order: SteadyOrder): Steady {
  const { port, perSecond, minBytes } = order;
  const wire = wireRequest(order, order.ask);
  const idle: CountingWire[] = [];
  const pending = new Set<Promise<void>>();
  const startedAt = performance.now();
  let due = 0;
  let received = 0;
  let errors = 0;
  let sample = '';
  const askOnce = async (): Promise<void> => {
    const counting = idle.pop() ?? new CountingWire(port);
    try {
      const { status, bytes } = await counting.ask(wire);
      if (status !== 200 || bytes < minBytes) throw new Error(`${status}, ${bytes} bytes`);
      received++;
      idle.push(counting);
    } catch (error) {
      counting.close();
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
      for (const counting of idle) counting.close();
      return { received, seconds, errors, sample };
    },
  };
}

interface Counted {
  readonly status: number;
  /** Of the body. */
  readonly bytes: number;
}

/** A keep-alive connection that reads into the same memory over and over. */
class CountingWire {
  readonly #socket: ReturnType<typeof connect>;
  #status = 0;
  /** Of the body: still to come, and in all. */
  #left = 0;
  #length = 0;
  #waiting: ((counted: Counted | Error) => void) | undefined;

  constructor(port: number) {
    const onread = {
      buffer: Buffer.allocUnsafe(READ_BYTES),
      callback: (count: number, buffer: Uint8Array): boolean => {
        this.#take(buffer as Buffer, count);
        return true;
      },
    };
    this.#socket = connect({ port, host: '127.0.0.1', onread });
    this.#socket.setTimeout(ANSWER_MS, () => this.#socket.destroy());
    this.#socket.on('error', (error) => this.#settle(error));
    this.#socket.on('close', () => this.#settle(new Error('The connection was closed.')));
  }

  ask(wire: string): Promise<Counted> {
    return new Promise((resolve, reject) => {
      this.#waiting = (counted) => (counted instanceof Error ? reject(counted) : resolve(counted));
      if (this.#socket.destroyed) this.#settle(new Error('The connection was closed.'));
      else this.#socket.write(wire);
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(buffer: Buffer, count: number): void {
    let start = 0;
    if (this.#left === 0) {
      // A head of the bridge is far smaller than what one read takes.
      const end = buffer.subarray(0, count).indexOf('\r\n\r\n');
      const head = buffer.toString('latin1', 0, end < 0 ? count : end + 2);
      const length = /\r\ncontent-length: *(\d+)\r/i.exec(head)?.[1];
      if (end < 0 || length === undefined) {
        this.#settle(new Error(`No head with a Content-Length: ${head.slice(0, 300)}`));
        this.#socket.destroy();
        return;
      }
      this.#status = Number(head.slice(9, 12));
      this.#length = Number(length);
      this.#left = this.#length;
      start = end + 4;
    }
    this.#left -= count - start;
    if (this.#left === 0) this.#settle({ status: this.#status, bytes: this.#length });
  }

  #settle(counted: Counted | Error): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.(counted);
  }
}
