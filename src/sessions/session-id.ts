/**
 * Session ids. Each names the worker that opened it, so that any other worker can hand a request on in one hop:
 *
 *   <worker id>.<128 random bits>                            a session with a child or a principal's share of one
 *   <worker id>.<128 random bits>.<version>.<128-bit HMAC>   a session of a shared server
 *
 * The second form carries all that such a session is; the HMAC binds it to server and principal. Any worker of any
 * bridge with the same secret can resume it when its own is gone. MCP transports, "Session Management": visible
 * ASCII, unguessable.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

const MAC_BYTES = 16;

export interface Resumable {
  readonly version: string;
  readonly server: string;
  readonly principal: string;
}

export class SessionIds {
  readonly #workerId: string;
  readonly #secret: string;

  constructor(workerId: string, secret: string) {
    this.#workerId = workerId;
    this.#secret = secret;
  }

  mint(): string {
    return `${this.#workerId}.${randomBytes(16).toString('base64url')}`;
  }

  mintResumable(session: Resumable): string {
    const head = `${this.mint()}.${session.version}`;
    return `${head}.${this.#mac(head, session).toString('base64url')}`;
  }

  /** Whether this worker opened it, if anybody did. */
  isOwn(id: string): boolean {
    return workerOf(id) === this.#workerId;
  }

  /** The version of a resumable id that was minted for this server and principal; undefined for any other. */
  resume(id: string, server: string, principal: string): string | undefined {
    const at = id.lastIndexOf('.');
    const version = id.split('.')[2];
    if (version === undefined || id.split('.').length !== 4) return undefined;
    // As text: many texts decode to the same bytes, and each would be one more id of the same session.
    const given = Buffer.from(id.slice(at + 1));
    const mac = this.#mac(id.slice(0, at), { version, server, principal });
    const expected = Buffer.from(mac.toString('base64url'));
    return given.length === expected.length && timingSafeEqual(given, expected) ? version : undefined;
  }

  #mac(head: string, { server, principal }: Resumable): Buffer {
    const text = JSON.stringify([head, server, principal]);
    return createHmac('sha256', this.#secret).update(text).digest().subarray(0, MAC_BYTES);
  }
}

/** The worker that opened a session. */
export function workerOf(id: string): string {
  const end = id.indexOf('.');
  return end === -1 ? id : id.slice(0, end);
}

/** Whether any worker may resume it; its authenticity is for `resume` to check. */
export const isResumable = (id: string): boolean => id.split('.').length === 4;
