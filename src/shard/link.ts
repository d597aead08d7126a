/**
 * A Unix socket with frames on it. What is sent in one turn of the event loop goes out in few writes.
 */
import type { Socket } from 'node:net';
import { type Task, writeAtEndOfTurn } from '../end-of-turn.ts';
import { FrameReader, FrameWriter } from './frames.ts';

/** The other worker begins with these while the next ones are made; or else the two take turns, and use one core. */
const FRAMES_AT_ONCE = 8;
/** More is not kept back, so that large frames are not copied behind each other. */
const BYTES_AT_ONCE = 32_768;

export class Link implements Task {
  /** What is written here is sent. */
  readonly frames = new FrameWriter(() => this.#wrote());
  readonly #socket: Socket;
  /** Frames that were not sent yet. */
  #waiting = 0;
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

  /** Sends what is still to be sent, then closes. */
  close(): void {
    this.run();
    this.#socket.destroySoon();
  }

  run(): void {
    if (this.#waiting === 0) return;
    this.#waiting = 0;
    const bytes = this.frames.take();
    if (!this.#closed) this.#socket.write(bytes);
  }

  #wrote(): void {
    if (this.#waiting === 0) writeAtEndOfTurn(this);
    this.#waiting++;
    if (this.#waiting >= FRAMES_AT_ONCE || this.frames.size >= BYTES_AT_ONCE) this.run();
  }
}
