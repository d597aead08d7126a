/**
 * A client that keeps what it is sent, for tests of what answers it.
 */
import type { Chunk, HeaderPairs } from '../../src/http/engine.ts';
import type { Reply } from '../../src/http/reply.ts';
import { eventReader, type StreamEvent } from './event-reader.ts';

export class ReplyClient implements Reply {
  readonly requestId = 'request-1';
  state: Reply['state'] = 'open';
  status = 0;
  headers: HeaderPairs = [];
  text = '';
  #onAbort: (() => void) | undefined;

  send(status: number, headers: HeaderPairs, body: Chunk | readonly Chunk[]): void {
    if (this.state !== 'open') return;
    this.open(status, headers);
    this.write(body);
    this.end();
  }

  open(status: number, headers: HeaderPairs): void {
    if (this.state !== 'open') return;
    this.state = 'streaming';
    this.status = status;
    this.headers = headers;
  }

  write(chunk: Chunk | readonly Chunk[]): void {
    if (this.state !== 'streaming') return;
    const parts = typeof chunk === 'string' || chunk instanceof Uint8Array ? [chunk] : chunk;
    for (const part of parts) this.text += Buffer.from(part as string).toString();
  }

  end(): void {
    this.state = 'done';
  }

  onAbort(listener: () => void): void {
    this.#onAbort = listener;
    if (this.state === 'done') listener();
  }

  leave(): void {
    this.state = 'done';
    this.#onAbort?.();
  }

  get type(): string | undefined {
    return this.headers.find(([name]) => name === 'Content-Type')?.[1];
  }

  /** The data of those that have some. */
  get events(): string[] {
    return this.#read()
      .map(({ data }) => data)
      .filter((data) => data !== '');
  }

  /** Ids of all events, with and without data. */
  get ids(): string[] {
    return this.#read().flatMap(({ id }) => id ?? []);
  }

  #read(): StreamEvent[] {
    const events: StreamEvent[] = [];
    eventReader((event) => events.push(event))(this.text);
    return events;
  }
}
