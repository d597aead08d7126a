/**
 * An answer on uWebSockets.js. Owns every rule of that library: a response must not be touched after its end or
 * abort, writes are corked, data is valid only inside its callback, and its own buffer is never left to grow.
 */
import type { HttpResponse } from 'uWebSockets.js';
import { Buffer } from 'node:buffer';
import { STATUS_CODES } from 'node:http';
import { nextTick } from 'node:process';
import { giveUp } from '../protocol/own-bytes.ts';
import { asBytes, joinChunks, lengthBound } from './chunks.ts';
import type { AnswerHead, Chunk, RawResponse, ResponseListener } from './engine.ts';

/** Up to here an answer is handed over as one piece, which uWebSockets.js copies when the socket is full. */
const SMALL_ANSWER_BYTES = 256 * 1024;
/** Piece of a stream's write; small enough that one writable event of a slow reader takes at least one. */
const SLICE_BYTES = 16 * 1024;

/** The queue of every answer that never queued. */
const NOTHING: Uint8Array[] = [];

const STATUS_LINES: string[] = [];
for (const [code, text] of Object.entries(STATUS_CODES)) STATUS_LINES[Number(code)] = `${code} ${text}`;
const statusLine = (status: number): string => STATUS_LINES[status] ?? `${status} Unknown`;

export class UwsResponse implements RawResponse {
  /** Undefined once it must not be touched: after the end, the abort or the cut. */
  #res: HttpResponse | undefined;
  readonly #isHead: boolean;
  #listener: ResponseListener | undefined;
  /** The head of a stream, until its first write. */
  #head: AnswerHead | undefined;
  /** What a slow reader of a stream has not let us hand to uWebSockets.js, in order. */
  #queue: Uint8Array[] = NOTHING;
  #buffered = 0;
  #blocked = false;
  #begun = false;
  #finishing = false;
  #isHeldBack = false;

  constructor(res: HttpResponse, isHead: boolean) {
    this.#res = res;
    this.#isHead = isHead;
    res.onAborted(() => this.#gone());
  }

  /**
   * The answer comes in a later turn and ends the connection: what stands behind this request in the same bytes is then
   * behind one that waits, which uWebSockets.js takes for no request but ends the connection.
   */
  holdBack(): void {
    this.#isHeldBack = true;
  }

  peerAddress(): string {
    if (this.#res === undefined) return '';
    return Buffer.from(this.#res.getRemoteAddressAsText()).toString('latin1');
  }

  get buffered(): number {
    return this.#buffered;
  }

  listen(listener: ResponseListener): void {
    this.#listener = listener;
  }

  receive(): void {
    this.#res?.onData((chunk, last) => this.#listener?.received(Buffer.from(chunk), last));
  }

  /** Before there is a request that could have an id. Later, for the reason of `holdBack`. */
  refuse(status: number): void {
    this.#begun = true;
    setImmediate(() => {
      const res = this.#res;
      this.#res = undefined;
      res?.cork(() => res.writeStatus(statusLine(status)).end('', true));
    });
  }

  end(head: AnswerHead, body: Chunk | readonly Chunk[]): void {
    const res = this.#res;
    if (res === undefined || this.#begun) return;
    if (this.#isHeldBack) {
      this.#isHeldBack = false;
      setImmediate(() => this.end({ ...head, closing: true }, body));
      return;
    }
    // Only `end` can close the connection afterwards, so an answer that closes is copied, whatever its size.
    if (lengthBound(body) > SMALL_ANSWER_BYTES && !head.closing && !this.#isHead) {
      this.#endLarge(res, head, typeof body === 'string' || body instanceof Uint8Array ? [body] : body);
      return;
    }
    const whole = joinChunks(body);
    const isWithoutBody = this.#isHead || head.status === 204;
    this.#begun = true;
    this.#res = undefined;
    this.#listener = undefined;
    send({ res, head, body: isWithoutBody ? undefined : whole });
  }

  /**
   * Hands over as much as the socket takes; the rest goes when it is writable. Nothing is copied, and what the answer
   * alone owned is given up with its end.
   */
  #endLarge(res: HttpResponse, head: AnswerHead, body: readonly Chunk[]): void {
    const parts = body.map(asBytes);
    const total = parts.reduce((sum, part) => sum + part.byteLength, 0);
    let index = 0;
    let start = 0;
    const more = (from: number): boolean => {
      let offset = from;
      for (;;) {
        let part = parts[index];
        while (part !== undefined && offset >= start + part.byteLength) {
          start += part.byteLength;
          part = parts[++index];
        }
        if (part === undefined) return true;
        const [taken, done] = res.tryEnd(part.subarray(offset - start), total);
        if (done) {
          this.#res = undefined;
          this.#listener = undefined;
          this.#buffered = 0;
          giveUp(parts);
          return true;
        }
        offset = res.getWriteOffset();
        this.#buffered = total - offset;
        if (!taken) return false;
      }
    };
    // A late call must not begin a second answer while this one is on its way.
    this.#begun = true;
    this.#finishing = true;
    res.onWritable((offset) => {
      let taken = true;
      if (this.#res !== undefined) {
        res.cork(() => {
          taken = more(offset);
        });
      }
      return taken;
    });
    res.cork(() => {
      writeHead(res, head);
      more(0);
    });
  }

  begin(head: AnswerHead): void {
    const res = this.#res;
    if (res === undefined || this.#begun) return;
    this.#begun = true;
    // Sent with the first write: uWebSockets.js ends the head only then, and one system call is saved.
    this.#head = head;
    res.onWritable(() => {
      this.#drain();
      return true;
    });
  }

  write(chunk: Chunk): void {
    const res = this.#res;
    if (res === undefined || !this.#begun || this.#finishing || this.#isHead || chunk.length === 0) return;
    if (!this.#blocked && lengthBound(chunk) <= SLICE_BYTES) {
      let taken = true;
      res.cork(() => {
        this.#writeHeadOnce(res);
        taken = res.write(chunk);
      });
      this.#blocked = !taken;
      return;
    }
    const bytes = asBytes(chunk);
    if (this.#queue === NOTHING) this.#queue = [];
    this.#queue.push(bytes);
    this.#buffered += bytes.byteLength;
    if (!this.#blocked) res.cork(() => this.#writeQueue(res));
  }

  finish(): void {
    const res = this.#res;
    if (res === undefined || !this.#begun || this.#finishing) return;
    this.#finishing = true;
    if (this.#queue.length === 0) this.#end(res);
  }

  cut(): void {
    // Runs the abort handler.
    this.#res?.close();
  }

  /** The socket takes bytes again: what uWebSockets.js itself still holds goes first, which any cork does. */
  #drain(): void {
    const res = this.#res;
    if (res === undefined) return;
    this.#blocked = false;
    res.cork(() => this.#writeQueue(res));
    if (this.#finishing && !this.#blocked) this.#end(res);
  }

  #writeQueue(res: HttpResponse): void {
    this.#writeHeadOnce(res);
    let next = 0;
    for (; next < this.#queue.length && !this.#blocked; next++) {
      let bytes = this.#queue[next] as Uint8Array;
      while (bytes.byteLength > 0) {
        if (this.#blocked) {
          this.#queue[next] = bytes;
          this.#queue.splice(0, next);
          return;
        }
        const slice = bytes.subarray(0, SLICE_BYTES);
        this.#blocked = !res.write(slice);
        this.#buffered -= slice.byteLength;
        bytes = bytes.subarray(slice.byteLength);
      }
    }
    this.#queue.splice(0, next);
  }

  #writeHeadOnce(res: HttpResponse): void {
    if (this.#head === undefined) return;
    const head = this.#head;
    this.#head = undefined;
    writeHead(res, head);
    if (head.closing) res.writeHeader('Connection', 'close');
  }

  #end(res: HttpResponse): void {
    this.#res = undefined;
    this.#listener = undefined;
    res.cork(() => {
      this.#writeHeadOnce(res);
      // Never with `closeConnection`: in the middle of a chunked body it would write a header into the body.
      if (this.#isHead) res.endWithoutBody();
      else res.end();
    });
  }

  #gone(): void {
    this.#res = undefined;
    this.#queue = NOTHING;
    this.#buffered = 0;
    const listener = this.#listener;
    this.#listener = undefined;
    listener?.aborted();
  }
}

/** A whole answer that goes out when the work of this moment is done, which may bring more of them. */
interface Answer {
  readonly res: HttpResponse;
  readonly head: AnswerHead;
  /** Undefined where the status, or HEAD, has none. */
  readonly body: Chunk | undefined;
}

const answers: Answer[] = [];

/** Before anything else can happen to `res`: no event of the loop comes in between. */
function send(answer: Answer): void {
  if (answers.length === 0) nextTick(sendAll);
  answers.push(answer);
}

function sendAll(): void {
  for (const answer of answers) {
    sending = answer;
    answer.res.cork(writeAnswer);
  }
  sending = undefined;
  answers.length = 0;
}

// One function for all answers, which `cork` calls before it returns: V8 takes its time with new ones.
let sending: Answer | undefined;
function writeAnswer(): void {
  if (sending === undefined) return;
  const { res, head, body } = sending;
  writeHead(res, head);
  if (body !== undefined) {
    res.end(body, head.closing);
    return;
  }
  if (head.closing) res.writeHeader('Connection', 'close');
  // Without a length: told one, this version waits for the body and never ends the answer.
  res.endWithoutBody();
}

/** All fields in one call: each one over the border to native code costs more than joining them here. */
function writeHead(res: HttpResponse, { status, requestId, headers, corsHeaders }: AnswerHead): void {
  // The status that is written by itself when none is.
  if (status !== 200) res.writeStatus(statusLine(status));
  let text = requestId;
  for (const [name, value] of headers) text += `\r\n${name}: ${value}`;
  for (const [name, value] of corsHeaders) text += `\r\n${name}: ${value}`;
  res.writeHeader('X-Request-Id', text);
}
