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
import type { Chunk, HeaderPairs } from '../http/engine.ts';

export const FRAME = { call: 1, more: 2, send: 3, open: 4, data: 5, end: 6, abort: 7, credit: 8 } as const;
export type FrameType = (typeof FRAME)[keyof typeof FRAME];

const HEADER_BYTES = 9;

/** One frame; its payload is the parts in a row. */
export function frame(type: FrameType, stream: number, ...payload: readonly Chunk[]): Buffer {
  let length = 0;
  for (const part of payload) length += byteLength(part);
  const bytes = begun(type, stream, length);
  let at = HEADER_BYTES;
  for (const part of payload) at = append(bytes, part, at);
  return bytes;
}

/** With room for a payload of `length` bytes. */
function begun(type: FrameType, stream: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(HEADER_BYTES + length);
  bytes.writeUInt32BE(length, 0);
  bytes[4] = type;
  bytes.writeUInt32BE(stream, 5);
  return bytes;
}

/** Where the next one goes. */
function append(bytes: Buffer, part: Chunk, at: number): number {
  if (typeof part === 'string') return at + bytes.write(part, at);
  bytes.set(part, at);
  return at + part.byteLength;
}

export const byteLength = (chunk: Chunk): number =>
  typeof chunk === 'string' ? Buffer.byteLength(chunk) : chunk.byteLength;

export function u32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(value, 0);
  return bytes;
}

/** `body` undefined: it follows in MORE frames. */
export function callFrame(stream: number, requestId: string, head: string, body: Chunk | undefined): Buffer {
  const [idBytes, headBytes] = [Buffer.byteLength(requestId), Buffer.byteLength(head)];
  const length = 3 + idBytes + 4 + headBytes + (body === undefined ? 0 : byteLength(body));
  const bytes = begun(FRAME.call, stream, length);
  let at = HEADER_BYTES;
  at = bytes.writeUInt8(body === undefined ? 0 : 1, at);
  at = bytes.writeUInt16BE(idBytes, at);
  at = append(bytes, requestId, at);
  at = bytes.writeUInt32BE(headBytes, at);
  at = append(bytes, head, at);
  if (body !== undefined) append(bytes, body, at);
  return bytes;
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

export function answerFrame(
  type: FrameType,
  stream: number,
  status: number,
  headers: HeaderPairs,
  rest: readonly Chunk[],
): Buffer {
  const text = textOfHeaders(headers);
  const lengths = Buffer.allocUnsafe(4);
  lengths.writeUInt16BE(status, 0);
  lengths.writeUInt16BE(Buffer.byteLength(text), 2);
  return frame(type, stream, lengths, text, ...rest);
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
