/**
 * One keep-alive connection with one request in flight, as little work per request as Node allows: for what wrk
 * cannot do (choose connections, open sessions). Understands answers with a Content-Length only.
 */
import { connect, type Socket } from 'node:net';

export interface WireAnswer {
  readonly status: number;
  /** The header lines as sent. */
  readonly head: string;
  readonly body: string;
}

export class Wire {
  readonly #socket: Socket;
  #received = '';
  #total = 0;
  #bodyStart = 0;
  #waiting: ((answer: WireAnswer | Error) => void) | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => this.#take(text));
    socket.on('error', (error) => this.#settle(error));
    socket.on('close', () => this.#settle(new Error('The connection was closed.')));
  }

  static open(port: number): Promise<Wire> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1');
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.off('error', reject);
        resolve(new Wire(socket));
      });
    });
  }

  /** Sends `request` (raw HTTP) and calls `done` once; the one before must have been answered. */
  send(request: string, done: (answer: WireAnswer | Error) => void): void {
    this.#waiting = done;
    if (this.#socket.destroyed) this.#settle(new Error('The connection was closed.'));
    else this.#socket.write(request, 'latin1');
  }

  ask(request: string): Promise<WireAnswer> {
    return new Promise((resolve, reject) => {
      this.send(request, (answer) => (answer instanceof Error ? reject(answer) : resolve(answer)));
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(text: string): void {
    this.#received = this.#received === '' ? text : this.#received + text;
    if (this.#total === 0 && !this.#readHead()) return;
    if (this.#received.length < this.#total) return;
    const answer = {
      status: Number(this.#received.slice(9, 12)),
      head: this.#received.slice(0, this.#bodyStart),
      body: this.#received.slice(this.#bodyStart, this.#total),
    };
    this.#received = this.#received.slice(this.#total);
    this.#total = 0;
    this.#settle(answer);
  }

  /** False while the head is incomplete. */
  #readHead(): boolean {
    const end = this.#received.indexOf('\r\n\r\n');
    if (end < 0) return false;
    this.#bodyStart = end + 4;
    const length = /\r\ncontent-length: *(\d+)/i.exec(this.#received.slice(0, this.#bodyStart))?.[1];
    if (length === undefined) {
      this.#settle(new Error(`An answer without Content-Length: ${this.#received.slice(0, 300)}`));
      this.#socket.destroy();
      return false;
    }
    this.#total = this.#bodyStart + Number(length);
    return true;
  }

  #settle(answer: WireAnswer | Error): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.(answer);
  }
}
