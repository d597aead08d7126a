/**
 * A relayed call as the asking worker sees it: sends it, and hands the owner's answer to the client's reply.
 */
import type { Chunk, HeaderPairs } from '../http/engine.ts';
import type { Reply } from '../http/reply.ts';
import { FRAME, fitIn, readHead } from './frames.ts';
import type { Link } from './link.ts';
import { WindowedSender } from './sender.ts';

export interface ForwardedCall {
  /** What the owner has to know of the call, as text that only the routes understand. */
  readonly head: string;
  readonly body: Chunk;
  readonly reply: Reply;
  /** The owner is gone before the answer was complete, and nothing was answered yet. `served`: it may have begun. */
  readonly lost: (served: boolean) => void;
  /** The same of an answer that has begun as a stream: it goes on through the reply, or ends there. Default: it ends. */
  readonly broken?: () => void;
}

/** Bodies and answers up to this size travel in one frame. */
export const WHOLE_BYTES = 65_536;

export class AskedStream {
  /** Given when it is added to those of the connection, before it starts. */
  number = 0;
  readonly #link: Link;
  readonly #call: ForwardedCall;
  readonly #over: (stream: AskedStream) => void;
  #sender: WindowedSender | undefined;
  /** A large answer that is no stream: sent on when it is complete, with its length. */
  #collected: { status: number; headers: HeaderPairs; parts: Uint8Array[] } | undefined;

  constructor(link: Link, call: ForwardedCall, over: (stream: AskedStream) => void) {
    this.#link = link;
    this.#call = call;
    this.#over = over;
  }

  start(): void {
    const { head, body, reply } = this.#call;
    if (reply.state === 'done') {
      this.#done();
      return;
    }
    reply.onAbort(() => {
      this.#link.frames.bare(FRAME.abort, this.number);
      this.#done();
    });
    const whole = fitIn(WHOLE_BYTES, [body]);
    this.#link.frames.call(this.number, reply.requestId, head, whole ? body : undefined);
    if (whole) return;
    this.#sender = new WindowedSender(
      (part) => this.#link.frames.part(FRAME.more, this.number, part),
      () => this.#link.frames.bare(FRAME.end, this.number),
    );
    this.#sender.write(body);
    this.#sender.end();
  }

  take(type: number, payload: Buffer): void {
    const { reply } = this.#call;
    switch (type) {
      case FRAME.send: {
        const { status, headers, rest } = readHead(payload);
        this.#done();
        reply.send(status, headers, rest);
        return;
      }
      case FRAME.open: {
        const { status, headers, rest } = readHead(payload);
        if (rest[0] === 1) reply.open(status, headers);
        else this.#collected = { status, headers, parts: [] };
        return;
      }
      case FRAME.data:
        if (this.#collected === undefined) reply.write(payload);
        else this.#collected.parts.push(payload);
        this.#link.frames.credit(this.number, payload.length);
        return;
      case FRAME.end:
        this.#done();
        if (this.#collected === undefined) reply.end();
        else reply.send(this.#collected.status, this.#collected.headers, this.#collected.parts);
        return;
      case FRAME.abort:
        this.lost();
        return;
      case FRAME.credit:
        this.#sender?.credit(payload.readUInt32BE(0));
    }
  }

  #done(): void {
    this.#over(this);
  }

  /** The owner is gone, or gave the call up. */
  lost(): void {
    this.#done();
    const { reply, lost, broken } = this.#call;
    if (reply.state === 'open') lost(this.#link.wasConnected);
    else if (broken !== undefined) broken();
    else reply.end();
  }
}
