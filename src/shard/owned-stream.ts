/**
 * A relayed call as its owner sees it: the body as it comes in, and the reply whose client is in another worker.
 */
import { Buffer } from 'node:buffer';
import type { Chunk, HeaderPairs } from '../http/engine.ts';
import { MAX_BUFFERED_BYTES, type Reply } from '../http/reply.ts';
import { WHOLE_BYTES } from './asked-stream.ts';
import { FRAME, fitIn, readCall, STREAMING } from './frames.ts';
import type { Link } from './link.ts';
import { WindowedSender } from './sender.ts';

/** Serves a call that another worker carried here. */
export type ServeRelayed = (head: string, body: Uint8Array, reply: Reply) => void;

export class OwnedStream implements Reply {
  requestId = '';
  state: Reply['state'] = 'open';
  readonly #number: number;
  readonly #link: Link;
  readonly #serve: ServeRelayed;
  readonly #done: () => void;
  #head = '';
  #body: Buffer[] = [];
  #sender: WindowedSender | undefined;
  #onAbort: (() => void) | undefined;
  #aborted = false;

  constructor(number: number, link: Link, serve: ServeRelayed, done: () => void) {
    this.#number = number;
    this.#link = link;
    this.#serve = serve;
    this.#done = done;
  }

  take(type: number, payload: Buffer): void {
    switch (type) {
      case FRAME.call: {
        const { requestId, head, body } = readCall(payload);
        this.requestId = requestId;
        this.#head = head;
        if (body !== undefined) this.#serve(head, body, this);
        return;
      }
      case FRAME.more:
        this.#body.push(payload);
        this.#link.frames.credit(this.#number, payload.length);
        return;
      case FRAME.end:
        // A copy of its own even when it came in one part: large bodies are given away to a thread.
        this.#serve(this.#head, Buffer.concat(this.#body), this);
        return;
      case FRAME.abort:
        this.abort();
        return;
      case FRAME.credit:
        this.#sender?.credit(payload.readUInt32BE(0));
    }
  }

  /** The client, or the worker that has it, is gone. An answer that was given but not taken yet is let go. */
  abort(): void {
    const answered = this.state === 'done';
    this.state = 'done';
    this.#sender = undefined;
    this.#done();
    if (answered) return;
    this.#aborted = true;
    this.#onAbort?.();
  }

  onAbort(listener: () => void): void {
    this.#onAbort = listener;
    if (this.#aborted) listener();
  }

  send(status: number, headers: HeaderPairs, body: Chunk | readonly Chunk[]): void {
    if (this.state !== 'open') return;
    const parts = asParts(body);
    if (fitIn(WHOLE_BYTES, parts)) {
      this.state = 'done';
      this.#link.frames.answer(FRAME.send, this.#number, status, headers, parts);
      this.#done();
      return;
    }
    this.#open(status, headers, false);
    for (const part of parts) this.#sender?.write(part);
    this.end();
  }

  open(status: number, headers: HeaderPairs): void {
    if (this.state === 'open') this.#open(status, headers, true);
  }

  write(chunk: Chunk | readonly Chunk[]): void {
    if (this.state !== 'streaming') return;
    for (const part of asParts(chunk)) this.#sender?.write(part);
    if ((this.#sender?.queuedBytes ?? 0) <= MAX_BUFFERED_BYTES) return;
    this.#link.frames.bare(FRAME.abort, this.#number);
    this.abort();
  }

  end(): void {
    if (this.state !== 'streaming') return;
    this.state = 'done';
    this.#sender?.end();
  }

  #open(status: number, headers: HeaderPairs, streaming: boolean): void {
    this.state = 'streaming';
    this.#link.frames.answer(FRAME.open, this.#number, status, headers, [
      STREAMING[streaming ? 'yes' : 'no'],
    ]);
    this.#sender = new WindowedSender(
      (part) => this.#link.frames.part(FRAME.data, this.#number, part),
      () => {
        this.#link.frames.bare(FRAME.end, this.#number);
        this.#done();
      },
    );
  }
}

function asParts(chunk: Chunk | readonly Chunk[]): readonly Chunk[] {
  return typeof chunk === 'string' || chunk instanceof Uint8Array ? [chunk] : chunk;
}
