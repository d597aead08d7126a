/**
 * A Unix socket with frames on it. What is sent in one turn of the event loop goes out in few writes.
 */
import type { Socket } from 'node:net';
import { type Task, writeAtEndOfTurn } from '../end-of-turn.ts';
import { FrameReader } from './frames.ts';

/** The other worker begins with these while the next ones are made; or else the two take turns, and use one core. */
const FRAMES_AT_ONCE = 8;

export class Link implements Task {
  readonly #socket: Socket;
  #outgoing: Buffer[] = [];
  #connected: boolean;
  #closed = false;

  constructor(
    socket: Socket,
    onFrame: (type: number, stream: number, payload: Buffer) => void,
    onClose: () => void,
  ) {
    this.#socket = socket;
    this.#connected = !socket.connecting;
    const reader = new FrameReader(onFrame);
    socket.on('connect', () => {
      this.#connected = true;
    });
    socket.on('data', (chunk) => reader.push(chunk));
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      this.#closed = true;
      onClose();
    });
  }

  /** False until the other side was reached: before, nothing can have been served there. */
  get wasConnected(): boolean {
    return this.#connected;
  }

  send(bytes: Buffer): void {
    if (this.#closed) return;
    if (this.#outgoing.length === 0) writeAtEndOfTurn(this);
    this.#outgoing.push(bytes);
    if (this.#outgoing.length >= FRAMES_AT_ONCE) this.run();
  }

  /** Sends what is still to be sent, then closes. */
  close(): void {
    this.run();
    this.#socket.destroySoon();
  }

  run(): void {
    const outgoing = this.#outgoing;
    if (outgoing.length === 0) return;
    this.#outgoing = [];
    if (this.#closed) return;
    this.#socket.write(outgoing.length === 1 ? (outgoing[0] as Buffer) : Buffer.concat(outgoing));
  }
}
