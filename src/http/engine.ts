/**
 * The small interface behind which uWebSockets.js and node:http are the same thing. Routes never see it: they
 * see an Exchange, the only user of a RawResponse.
 */

/** Header fields of one request as they came, names in lower case, duplicates kept. */
export class HeaderList {
  /** name, value, name, value … */
  readonly #flat: string[] = [];

  add(name: string, value: string): void {
    this.#flat.push(name, value);
  }

  /** The first value of `name` (lower case). */
  get(name: string): string | undefined {
    const flat = this.#flat;
    for (let i = 0; i < flat.length; i += 2) if (flat[i] === name) return flat[i + 1];
    return undefined;
  }

  /** How often `name` (lower case) was sent. */
  count(name: string): number {
    let count = 0;
    for (let i = 0; i < this.#flat.length; i += 2) if (this.#flat[i] === name) count++;
    return count;
  }

  *entries(): IterableIterator<readonly [name: string, value: string]> {
    for (let i = 0; i < this.#flat.length; i += 2)
      yield [this.#flat[i] as string, this.#flat[i + 1] as string];
  }
}

/** Request line and header fields together; more is answered 431. */
export const MAX_HEAD_BYTES = 16 * 1024;

export interface RawRequest {
  /** As sent: methods are case-sensitive. */
  readonly method: string;
  /** As sent: not decoded, without the query. */
  readonly path: string;
  /** What follows `?`, without it; empty when there is none. */
  readonly query: string;
  readonly headers: HeaderList;
  /** Address of the peer of this TCP connection, in text. */
  readonly peerAddress: string;
}

export type Chunk = string | Uint8Array;

/**
 * Answer headers, in the order in which they are sent. Shared constants where possible: they cost nothing. No value
 * may hold a line break; who puts a client's text into one has checked it, because uWebSockets.js does not.
 */
export type HeaderPairs = readonly (readonly [name: string, value: string])[];

/**
 * One answer in the making. After the client is gone (`onAbort`) or the answer ended, every method is a no-op:
 * neither engine throws or terminates on a late call.
 */
export interface RawResponse {
  /** At most one listener each. */
  onAbort(listener: () => void): void;
  /** `chunk` is valid only during the call. Must be set in the same tick as the request handler runs. */
  onData(listener: (chunk: Uint8Array, last: boolean) => void): void;
  /** Stops and resumes taking body bytes from the socket. */
  pause(): void;
  resume(): void;
  /** The whole answer at once; large bodies are sent as the client takes them. `closing` adds `Connection: close` and closes afterwards. */
  end(status: number, headers: HeaderPairs, body: Chunk | readonly Chunk[], closing: boolean): void;
  /**
   * Begins an answer of unknown length. The head may wait for the first `write`. `closing` says
   * `Connection: close`; uWebSockets.js then leaves closing to the client and to its idle timeout.
   */
  begin(status: number, headers: HeaderPairs, closing: boolean): void;
  /** Sends a part of it; false when the client is slow and `onDrain` will be called. */
  write(chunk: Chunk): boolean;
  onDrain(listener: () => void): void;
  /** Bytes written but not yet taken by the client. */
  readonly buffered: number;
  /** Ends an answer begun with `begin`. */
  finish(): void;
  /** Cuts the connection. */
  cut(): void;
}

export type RequestHandler = (request: RawRequest, response: RawResponse) => void;

export interface Listener {
  readonly port: number;
  /** No new connections; those that exist go on. */
  stopAccepting(): void;
  /** Cuts all that is left. */
  close(): void;
}

export interface HttpEngine {
  readonly name: 'uws' | 'node';
  /** Rejects with a sentence that names host and port when it cannot listen. */
  listen(address: { host: string; port: number }, handler: RequestHandler): Promise<Listener>;
}
