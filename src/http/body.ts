/**
 * Reading a request's body: counted while it streams, refused above the limit, checked to be UTF-8. A body that is
 * cut in the middle is never delivered.
 */
import { isUtf8 } from 'node:buffer';
import { Expirable } from '../deadline.ts';
import { serveAtEndOfTurn, type Task } from '../end-of-turn.ts';
import { BridgeError } from '../errors.ts';
import { LARGE_MESSAGE_BYTES } from '../protocol/large.ts';
import { asBuffer, decodeUtf8 } from '../protocol/utf8.ts';
import { numberIn } from '../protocol/whole-number.ts';
import { CollectedBytes } from './collected-bytes.ts';
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
  const { contentLength } = exchange.request.headers;
  const expected = contentLength === undefined ? 0 : numberIn(contentLength);
  const reader = new BodyReader(exchange, rules, expected, done);
  exchange.receive(reader);
  if (expected > rules.maxBytes) reader.refuse();
}

class BodyReader extends Expirable implements BodySink, Task {
  readonly #exchange: Exchange;
  readonly #rules: BodyRules;
  readonly #done: (body: string | Uint8Array) => void;
  readonly #expected: number;
  #collected: CollectedBytes | undefined;
  #discarded = 0;
  #state: 'reading' | 'discarding' | 'over' = 'reading';
  #text = '';

  constructor(
    exchange: Exchange,
    rules: BodyRules,
    expected: number,
    done: (body: string | Uint8Array) => void,
  ) {
    super();
    this.#exchange = exchange;
    this.#rules = rules;
    this.#expected = expected;
    this.#done = done;
  }

  take(bytes: Uint8Array, last: boolean): void {
    if (this.#state === 'reading') {
      if ((this.#collected?.size ?? 0) + bytes.byteLength > this.#rules.maxBytes) this.refuse();
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
    if (this.#collected === undefined) {
      this.#collected = new CollectedBytes(this.#expected);
      this.#setDeadline(BODY_TIMEOUT_MS);
    }
    this.#collected.add(bytes);
  }

  #deliver(last: Uint8Array): void {
    // Most bodies come in one piece.
    if (this.#collected !== undefined || last.byteLength > LARGE_MESSAGE_BYTES) this.#keep(last);
    const body = this.#collected?.whole() ?? last;
    this.#collected = undefined;
    this.#over();
    const coding = this.#exchange.request.headers.other('content-encoding');
    if (coding !== undefined && coding.toLowerCase() !== 'identity') {
      this.#refuseCoding(coding);
      return;
    }
    if (body.byteLength > LARGE_MESSAGE_BYTES) {
      if (isUtf8(body)) this.#done(body);
      else this.#refuseBytes();
      return;
    }
    const text = decodeUtf8(asBuffer(body));
    if (text === undefined) this.#refuseBytes();
    else {
      this.#text = text;
      serveAtEndOfTurn(this);
    }
  }

  run(): void {
    this.#done(this.#text);
  }

  #refuseBytes(): void {
    const error = new BridgeError('invalid_request', 'The body is not valid UTF-8.');
    sendError(this.#exchange, error, this.#rules.shape);
  }

  #refuseCoding(coding: string): void {
    const error = new BridgeError(
      'unsupported_media_type',
      `Bodies are taken as they are, without a Content-Encoding; found "${coding.slice(0, 100)}".`,
      { headers: [['Accept-Encoding', 'identity']] },
    );
    sendError(this.#exchange, error, this.#rules.shape);
  }

  #setDeadline(lengthMs: number): void {
    this.#exchange.context.deadlines.set(this, lengthMs);
  }

  #over(): void {
    this.#state = 'over';
    this.#collected?.discard();
    this.#collected = undefined;
    this.#exchange.context.deadlines.cancel(this);
  }
}
