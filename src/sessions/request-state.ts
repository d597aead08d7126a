/**
 * `requestState`: what a modern client carries from one round of a call to the next. Authenticated encryption under
 * a key that all workers share, so that whichever worker gets the retry knows who has the call in hand, and nobody
 * outside can read or make one. MCP 2026-07-28, "Multi Round-Trip Requests".
 */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { BridgeError } from '../errors.ts';
import { asBuffer } from '../protocol/utf8.ts';

/** A call that is parked at a worker. */
export interface CallState {
  /** The worker that holds the call. */
  readonly worker: string;
  readonly park: string;
  /** Which round of the call; each is answered once. */
  readonly round: number;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
  readonly principal: string;
  readonly server: string;
  /** Of method and params: the retry must be of the same call. */
  readonly digest: string;
}

/** A call that nobody here holds: a modern server's own state, bound to whose call it was given for. */
export interface CarriedState {
  readonly inner: string;
  readonly principal: string;
  readonly server: string;
  readonly digest: string;
}

const IV_BYTES = 12;
const TAG_BYTES = 16;

export class RequestStates {
  readonly #key: Buffer;

  constructor(secret: string) {
    this.#key = createHash('sha256').update(`requestState ${secret}`).digest();
  }

  seal(state: CallState | CarriedState): string {
    const iv = randomBytes(IV_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.#key, iv);
    const sealed = Buffer.concat([cipher.update(JSON.stringify(state)), cipher.final()]);
    return Buffer.concat([iv, sealed, cipher.getAuthTag()]).toString('base64url');
  }

  /** Undefined for whatever was not sealed here, whole and unchanged. */
  open(text: unknown): CallState | CarriedState | undefined {
    if (typeof text !== 'string') return undefined;
    const bytes = Buffer.from(text, 'base64url');
    // Node ignores what is not base64url; only the canonical text may pass.
    if (bytes.toString('base64url') !== text || bytes.length <= IV_BYTES + TAG_BYTES) return undefined;
    try {
      const decipher = createDecipheriv('aes-256-gcm', this.#key, bytes.subarray(0, IV_BYTES));
      decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
      const plain = Buffer.concat([decipher.update(bytes.subarray(IV_BYTES, -TAG_BYTES)), decipher.final()]);
      return JSON.parse(plain.toString()) as CallState | CarriedState;
    } catch {
      return undefined; // forged or damaged: no one needs to know which
    }
  }
}

const KEY = '"requestState"';
const MAX_FOUND = 4;
/** Above what the state of a parked call takes. */
const NEAR = 4_096;

/**
 * Whatever in a body may be a state, found without reading the message, which may be large. A text that is none, or
 * stands somewhere else in the message, opens nothing or leads to a worker that refuses it.
 */
export function statesIn(body: string | Uint8Array): readonly string[] {
  const source = typeof body === 'string' ? body : asBuffer(body);
  const found: string[] = [];
  for (
    let at = source.indexOf(KEY);
    at !== -1 && found.length < MAX_FOUND;
    at = source.indexOf(KEY, at + 1)
  ) {
    const start = at + KEY.length;
    const near =
      typeof source === 'string'
        ? source.slice(start, start + NEAR)
        : source.toString('latin1', start, start + NEAR);
    const state = /^\s*:\s*"([\w-]+)"/.exec(near)?.[1];
    if (state !== undefined) found.push(state);
  }
  return found;
}

/** A retry whose state opens nothing, or nothing any more. */
export const invalidState = (): BridgeError =>
  new BridgeError('rejected_params', 'Invalid or expired requestState', {
    data: { reason: 'invalid_request_state' },
  });

export const isCarried = (state: CallState | CarriedState): state is CarriedState => 'inner' in state;

/** What makes two requests the same call: everything but what changes from round to round. */
export function callDigest(method: string, params: Readonly<Record<string, unknown>>): string {
  const { _meta, inputResponses, requestState, ...own } = params;
  return createHash('sha256')
    .update(JSON.stringify([method, own]))
    .digest('base64url');
}
