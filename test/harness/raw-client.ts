/** A raw HTTP client for tests that must see, and break, every byte. */
import { connect, type Socket } from 'node:net';
import type { TestContext } from 'node:test';

export interface Answer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
}

export class RawClient {
  readonly socket: Socket;
  readonly closed: Promise<void>;
  #received: Buffer[] = [];
  #length = 0;
  #isClosed = false;
  #wake: (() => void)[] = [];

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk) => {
      this.#received.push(chunk);
      this.#length += chunk.length;
      this.#wakeAll();
    });
    socket.on('error', () => this.#wakeAll());
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.#isClosed = true;
        this.#wakeAll();
        resolve();
      });
    });
  }

  /** Connects to 127.0.0.1; the socket is destroyed after the test. */
  static async open(t: TestContext, port: number): Promise<RawClient> {
    const socket = connect(port, '127.0.0.1');
    t.after(() => socket.destroy());
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return new RawClient(socket);
  }

  send(bytes: string | Buffer): Promise<void> {
    return new Promise((resolve) => this.socket.write(bytes, () => resolve()));
  }

  /** Waits until what has been received and not consumed holds `text`; consumes and returns all up to its end. */
  async until(text: string): Promise<string> {
    for (;;) {
      const all = this.#all();
      const at = all.indexOf(text);
      if (at !== -1) return this.#consume(at + text.length).toString('latin1');
      await this.#more(`"${text}"`);
    }
  }

  /** The next answer: with Content-Length, chunked, or neither for 204 and HEAD. */
  async answer(isHead = false): Promise<Answer> {
    const head = (await this.until('\r\n\r\n')).split('\r\n');
    const status = Number(head[0]?.split(' ')[1]);
    const headers = new Map<string, string>();
    for (const line of head.slice(1)) {
      const colon = line.indexOf(':');
      if (colon > 0) headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
    }
    if (isHead || status === 204) return { status, headers, body: Buffer.alloc(0) };
    if (headers.get('transfer-encoding') !== 'chunked') {
      return { status, headers, body: await this.#take(Number(headers.get('content-length') ?? 0)) };
    }
    const parts: Buffer[] = [];
    for (;;) {
      const size = Number.parseInt(await this.until('\r\n'), 16);
      parts.push(await this.#take(size));
      await this.until('\r\n');
      if (size === 0) return { status, headers, body: Buffer.concat(parts) };
    }
  }

  async #take(bytes: number): Promise<Buffer> {
    while (this.#length < bytes) await this.#more(`${bytes} bytes`);
    return this.#consume(bytes);
  }

  #all(): Buffer {
    const all = Buffer.concat(this.#received);
    this.#received = [all];
    return all;
  }

  #consume(bytes: number): Buffer {
    const all = this.#all();
    this.#received = [all.subarray(bytes)];
    this.#length -= bytes;
    return all.subarray(0, bytes);
  }

  #more(wanted: string): Promise<void> {
    if (this.#isClosed) {
      throw new Error(
        `The connection ended; waited for ${wanted}, had: ${this.#all().toString('latin1', 0, 300)}`,
      );
    }
    return new Promise((resolve) => this.#wake.push(resolve));
  }

  #wakeAll(): void {
    for (const resolve of this.#wake.splice(0)) resolve();
  }
}
