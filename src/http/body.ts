/**
 * Reading a request's body: counted while it streams, refused above the limit, checked to be UTF-8. A body that is
 * cut in the middle is never delivered.
 */
import { Buffer, isUtf8 } from 'node:buffer';
import { Expirable } from '../deadline.ts';
import { serveAtEndOfTurn, type Task } from '../end-of-turn.ts';
import { BridgeError } from '../errors.ts';
import { LARGE_MESSAGE_BYTES } from '../protocol/large.ts';
import { asBuffer, decodeUtf8 } from '../protocol/utf8.ts';
import { wholeNumber } from '../protocol/whole-number.ts';
import type { BodySink, Exchange } from './exchange.ts';
import { type ErrorShape, errorAnswer, sendError } from './send-error.ts';

/** For the whole body: a sender that trickles, each time just in time, is ended too. */
const BODY_TIMEOUT_MS = 60_000;
/** How much of a refused body is read, and how long, so that the client can finish and see why. */
const DISCARD_MAX_BYTES = 16 * 1024 * 1024;
const DISCARD_TIMEOUT_MS = 10_000;

export interface BodyRules {
  readonly maxBytes: number;
  /** In which shape a refusal is answered. */
  readonly shape: ErrorShape;
}

/**
 * Reads the body and calls `done` with it: a string, or above LARGE_MESSAGE_BYTES the bytes, in an ArrayBuffer of
 * their own that can be transferred. Answers by itself, and never calls `done`, when the body is too large or not
 * UTF-8. Must be called in the tick in which the request came.
 */
export function readBody(
  exchange: Exchange,
  rules: BodyRules,
  done: (body: string | Uint8Array) => void,
): void {
  const reader = new BodyReader(exchange, rules, done);
  exchange.receive(reader);
  const { contentLength } = exchange.request.headers;
  if (contentLength !== undefined && wholeNumber(contentLength) > rules.maxBytes) reader.refuse();
}

class BodyReader extends Expirable implements BodySink, Task {
  readonly #exchange: Exchange;
  readonly #rules: BodyRules;
  readonly #done: (body: string | Uint8Array) => void;
  #parts: Buffer[] | undefined;
  #bytes = 0;
  #discarded = 0;
  #state: 'reading' | 'discarding' | 'over' = 'reading';
  #text = '';

  constructor(exchange: Exchange, rules: BodyRules, done: (body: string | Uint8Array) => void) {
    super();
    this.#exchange = exchange;
    this.#rules = rules;
    this.#done = done;
  }

  take(bytes: Uint8Array, last: boolean): void {
    if (this.#state === 'reading') {
      this.#bytes += bytes.byteLength;
      if (this.#bytes > this.#rules.maxBytes) this.refuse();
      else if (last) this.#deliver(bytes);
      else this.#keep(bytes);
    } else if (this.#state === 'discarding') {
      this.#discarded += bytes.byteLength;
      if (!last && this.#discarded > DISCARD_MAX_BYTES) this.#exchange.cut();
    }
    if (last && this.#state === 'discarding') this.expire();
  }

  gone(): void {
    this.#over();
  }

  /** A sender that is too slow is cut off; one that goes on after a refusal has the answer already. */
  override expire(): void {
    const refused = this.#state === 'discarding';
    this.#over();
    if (refused) this.#exchange.end();
    else this.#exchange.cut();
  }

  /** 413 at once. The answer ends only with the body: to end it now would reset the connection under the client. */
  refuse(): void {
    const exchange = this.#exchange;
    const error = new BridgeError(
      'body_too_large',
      `The body is larger than ${this.#rules.maxBytes} bytes, which is the limit (MAX_BODY_BYTES).`,
    );
    const { status, headers, body } = errorAnswer(error, this.#rules.shape, exchange.requestId);
    this.#over();
    this.#state = 'discarding';
    this.#setDeadline(DISCARD_TIMEOUT_MS);
    exchange.closeAfterwards();
    exchange.open(status, headers);
    exchange.write(body);
  }

  #keep(bytes: Uint8Array): void {
    if (bytes.byteLength === 0) return;
    if (this.#parts === undefined) {
      this.#parts = [];
      this.#setDeadline(BODY_TIMEOUT_MS);
    }
    this.#parts.push(Buffer.from(bytes));
  }

  #deliver(last: Uint8Array): void {
    const size = this.#bytes;
    const parts = this.#parts;
    this.#over();
    if (size > LARGE_MESSAGE_BYTES) {
      const whole = new Uint8Array(size);
      let offset = 0;
      for (const part of parts ?? []) {
        whole.set(part, offset);
        offset += part.byteLength;
      }
      whole.set(last, offset);
      if (isUtf8(whole)) this.#done(whole);
      else this.#refuseEncoding();
      return;
    }
    // Most bodies come in one piece.
    const text = decodeUtf8(parts === undefined ? asBuffer(last) : Buffer.concat([...parts, last], size));
    if (text === undefined) this.#refuseEncoding();
    else {
      this.#text = text;
      serveAtEndOfTurn(this);
    }
  }

  run(): void {
    this.#done(this.#text);
  }

  #refuseEncoding(): void {
    sendError(
      this.#exchange,
      new BridgeError('invalid_request', 'The body is not valid UTF-8.'),
      this.#rules.shape,
    );
  }

  #setDeadline(lengthMs: number): void {
    this.#exchange.context.deadlines.set(this, lengthMs);
  }

  #over(): void {
    this.#state = 'over';
    this.#parts = undefined;
    this.#exchange.context.deadlines.cancel(this);
  }
}
