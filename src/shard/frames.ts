/**
 * The bytes between two workers: frames of one stream each, many streams on one Unix socket.
 *
 *   u32 payload length | u8 type | u32 stream | payload        (big endian)
 *
 *   CALL    u8 whole, u16 length, request id, u32 length, head, whole body     asker -> owner
 *   MORE    a part of a body that was not in its CALL                        asker -> owner
 *   SEND    u16 status, u16 length, headers (JSON), whole answer              owner -> asker
 *   OPEN    u16 status, u16 length, headers (JSON), u8 streaming              owner -> asker
 *   DATA    a part of the answer                                            owner -> asker
 *   END     the answer, or the body, is complete                            either way
 *   ABORT   the client is gone, or the owner cut it off                     either way
 *   CREDIT  u32 bytes of DATA or MORE that the other side has taken           either way
 */
// Not the global one, which is a getter.
import { Buffer } from 'node:buffer';
import type { Chunk, HeaderPairs } from '../http/engine.ts';

export const FRAME = { call: 1, more: 2, send: 3, open: 4, data: 5, end: 6, abort: 7, credit: 8 } as const;
export type FrameType = (typeof FRAME)[keyof typeof FRAME];

/** Whether an answer that begins is a stream, as OPEN says it. */
export const STREAMING = { yes: '\u0001', no: '\u0000' } as const;

const HEADER_BYTES = 9;
const SLAB_BYTES = 65_536;
/** Up to here three times the characters are room enough for any text, and cheaper to know than its bytes. */
const SHORT_CHARS = 4_096;

/** Frames one behind the other, in memory that is handed out once and never written again. */
export class FrameWriter {
  readonly #wrote: () => void;
  #slab = Buffer.alloc(0);
  /** Of what was not taken yet. */
  #start = 0;
  #at = 0;

  /** `wrote` is called behind each frame. */
  constructor(wrote: () => void) {
    this.#wrote = wrote;
  }

  /** END, ABORT. */
  bare(type: FrameType, stream: number): void {
    this.#end(this.#begin(type, stream, 0));
  }

  /** MORE, DATA. */
  part(type: FrameType, stream: number, bytes: Uint8Array): void {
    const frame = this.#begin(type, stream, bytes.byteLength);
    this.#put(bytes);
    this.#end(frame);
  }

  /** CREDIT */
  credit(stream: number, bytes: number): void {
    const frame = this.#begin(FRAME.credit, stream, 4);
    this.#at = this.#slab.writeUInt32BE(bytes, this.#at);
    this.#end(frame);
  }

  /** CALL; `body` undefined: it follows in MORE frames. */
  call(stream: number, requestId: string, head: string, body: Chunk | undefined): void {
    const most = 7 + mostBytes(requestId) + mostBytes(head) + (body === undefined ? 0 : mostBytes(body));
    const frame = this.#begin(FRAME.call, stream, most);
    this.#slab[this.#at++] = body === undefined ? 0 : 1;
    this.#at += 2;
    const idBytes = this.#put(requestId);
    this.#slab.writeUInt16BE(idBytes, this.#at - idBytes - 2);
    this.#at += 4;
    const headBytes = this.#put(head);
    this.#slab.writeUInt32BE(headBytes, this.#at - headBytes - 4);
    if (body !== undefined) this.#put(body);
    this.#end(frame);
  }

  /** SEND; OPEN, where `rest` is one of STREAMING. */
  answer(
    type: FrameType,
    stream: number,
    status: number,
    headers: HeaderPairs,
    rest: readonly Chunk[],
  ): void {
    const text = textOfHeaders(headers);
    let most = 4 + mostBytes(text);
    for (const part of rest) most += mostBytes(part);
    const frame = this.#begin(type, stream, most);
    this.#at = this.#slab.writeUInt16BE(status, this.#at) + 2;
    const textBytes = this.#put(text);
    this.#slab.writeUInt16BE(textBytes, this.#at - textBytes - 2);
    for (const part of rest) this.#put(part);
    this.#end(frame);
  }

  /** Bytes that were not taken yet. */
  get size(): number {
    return this.#at - this.#start;
  }

  /** All that was written since the last time. */
  take(): Buffer {
    const bytes = this.#slab.subarray(this.#start, this.#at);
    this.#start = this.#at;
    return bytes;
  }

  /** With room for a payload of `most` bytes. Answers where the frame begins. */
  #begin(type: FrameType, stream: number, most: number): number {
    this.#makeRoom(HEADER_BYTES + most);
    const frame = this.#at;
    this.#slab[frame + 4] = type;
    this.#slab.writeUInt32BE(stream, frame + 5);
    this.#at += HEADER_BYTES;
    return frame;
  }

  #end(frame: number): void {
    this.#slab.writeUInt32BE(this.#at - frame - HEADER_BYTES, frame);
    this.#wrote();
  }

  /** How many bytes it took. */
  #put(chunk: Chunk): number {
    let bytes: number;
    if (typeof chunk === 'string') bytes = this.#slab.write(chunk, this.#at);
    else {
      bytes = chunk.byteLength;
      this.#slab.set(chunk, this.#at);
    }
    this.#at += bytes;
    return bytes;
  }

  #makeRoom(bytes: number): void {
    if (this.#slab.length - this.#at >= bytes) return;
    const waiting = this.#slab.subarray(this.#start, this.#at);
    this.#slab = Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, waiting.length + bytes));
    this.#slab.set(waiting);
    this.#start = 0;
    this.#at = waiting.length;
  }
}

const byteLength = (chunk: Chunk): number =>
  typeof chunk === 'string' ? Buffer.byteLength(chunk) : chunk.byteLength;

/** At least as many as it has in UTF-8. */
const mostBytes = (chunk: Chunk): number =>
  typeof chunk === 'string' && chunk.length <= SHORT_CHARS ? 3 * chunk.length : byteLength(chunk);

/** Whether together they have at most so many bytes in UTF-8. */
export function fitIn(bytes: number, chunks: readonly Chunk[]): boolean {
  let most = 0;
  for (const chunk of chunks) most += mostBytes(chunk);
  if (most <= bytes) return true;
  return chunks.reduce((sum, chunk) => sum + byteLength(chunk), 0) <= bytes;
}

export function readCall(payload: Buffer): { requestId: string; head: string; body: Buffer | undefined } {
  const idEnd = 3 + payload.readUInt16BE(1);
  const headEnd = idEnd + 4 + payload.readUInt32BE(idEnd);
  return {
    requestId: payload.toString('utf8', 3, idEnd),
    head: payload.toString('utf8', idEnd + 4, headEnd),
    body: payload[0] === 1 ? payload.subarray(headEnd) : undefined,
  };
}

export function readHead(payload: Buffer): { status: number; headers: HeaderPairs; rest: Buffer } {
  const end = 4 + payload.readUInt16BE(2);
  return {
    status: payload.readUInt16BE(0),
    headers: headersIn(payload.toString('utf8', 4, end)),
    rest: payload.subarray(end),
  };
}

/** Nearly all answers have the headers of the one before. */
let written: { readonly headers: HeaderPairs; readonly text: string } = { headers: [], text: '[]' };
let read = written;

function textOfHeaders(headers: HeaderPairs): string {
  if (headers !== written.headers) written = { headers, text: JSON.stringify(headers) };
  return written.text;
}

function headersIn(text: string): HeaderPairs {
  if (text !== read.text) read = { headers: JSON.parse(text) as HeaderPairs, text };
  return read.headers;
}

/** Cuts a byte stream into frames. Payloads are slices of memory that nobody writes again. */
export class FrameReader {
  readonly #onFrame: (type: number, stream: number, payload: Buffer) => void;
  #parts: Buffer[] = [];
  #bytes = 0;
  #needed = HEADER_BYTES;

  constructor(onFrame: (type: number, stream: number, payload: Buffer) => void) {
    this.#onFrame = onFrame;
  }

  push(chunk: Buffer): void {
    this.#parts.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes < this.#needed) return;
    const bytes = this.#parts.length === 1 ? chunk : Buffer.concat(this.#parts, this.#bytes);
    let start = 0;
    for (;;) {
      this.#needed = HEADER_BYTES;
      if (bytes.length - start < HEADER_BYTES) break;
      this.#needed += bytes.readUInt32BE(start);
      const end = start + this.#needed;
      if (bytes.length < end) break;
      const payload = bytes.subarray(start + HEADER_BYTES, end);
      this.#onFrame(bytes[start + 4] as number, bytes.readUInt32BE(start + 5), payload);
      start = end;
    }
    this.#bytes = bytes.length - start;
    this.#parts = this.#bytes === 0 ? [] : [bytes.subarray(start)];
  }
}
