/**
 * The Piscina tasks that read one large message, or one large body of POST /bridge, off the event loop. In: its bytes
 * (transferred). Out: what was found, with bytes as the message's text (transferred) and spans counted in bytes.
 */
import { isUtf8 } from 'node:buffer';
import { getPriority, setPriority } from 'node:os';
import { isMainThread } from 'node:worker_threads';
import { move, transferableSymbol, valueSymbol } from 'piscina';
import { BridgeError } from '../src/errors.ts';
import { readBridgeCall } from '../src/protocol/bridge-call.ts';
import { ANY_KEYS } from '../src/protocol/json-scanner.ts';
import type { Span } from '../src/protocol/json-text.ts';
import type { Message } from '../src/protocol/message.ts';
import { free } from '../src/protocol/own-bytes.ts';
import { type Malformed, readMessage } from '../src/protocol/read-message.ts';
import { asBuffer, textOf } from '../src/protocol/utf8.ts';
import type { BridgeCallResult, LargeMessage } from '../src/tasks.ts';

/** Of this thread alone, where a priority is a thread's: on a machine that is full the event loop goes first. */
const NICENESS = 10;
// A process that is nicer already stays so: to become less nice takes a right that few have.
if (!isMainThread && process.platform === 'linux' && getPriority() < NICENESS) setPriority(NICENESS);

export function readLargeMessage({ parts, maxKeys }: LargeMessage): unknown {
  const message = readLarge(joined(parts), maxKeys);
  if (message.kind === 'malformed') return message;
  const { buffer } = message.text as Uint8Array<ArrayBuffer>;
  return move({ [transferableSymbol]: buffer, [valueSymbol]: message });
}

/** `readBridgeCall`: the message that it made comes as bytes, and the body comes back. */
export function readLargeBridgeCall({ parts }: LargeMessage): unknown {
  const body = joined(parts);
  try {
    const call = readBridgeCall(textOf(body));
    const message = inBytes(call.message, new TextEncoder().encode(call.message.text as string));
    const result: BridgeCallResult = { call: { ...call, message }, body };
    const buffers = [body.buffer, (message.text as Uint8Array<ArrayBuffer>).buffer];
    return move({ [transferableSymbol]: buffers as unknown as object, [valueSymbol]: result });
  } catch (error) {
    if (!(error instanceof BridgeError)) throw error;
    return { refused: error.message } satisfies BridgeCallResult;
  }
}

/** One array of all. The parts are given up here, in the thread, and not left for its garbage collector. */
function joined(parts: readonly Uint8Array<ArrayBuffer>[]): Uint8Array<ArrayBuffer> {
  const [only] = parts;
  if (parts.length === 1 && only !== undefined) return only;
  const { buffer } = Buffer.allocUnsafeSlow(parts.reduce((sum, part) => sum + part.byteLength, 0));
  const bytes = new Uint8Array(buffer);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.byteLength;
    free(part.buffer);
  }
  return bytes;
}

/**
 * `readMessage` on bytes: CR and LF outside of strings become spaces in place. Bytes that are not UTF-8 are written
 * anew, since in the old ones no place behind the fault would be right.
 */
export function readLarge(given: Uint8Array, maxKeys = ANY_KEYS): Message | Malformed {
  const decoded = textOf(given);
  const bytes = isUtf8(given) ? given : new Uint8Array(Buffer.from(decoded));
  const source = asBuffer(bytes);
  const message = readMessage(decoded, maxKeys);
  if (message.kind === 'malformed') return message;

  for (const code of [0x0a, 0x0d]) {
    for (let at = source.indexOf(code); at !== -1; at = source.indexOf(code, at + 1)) source[at] = 0x20;
  }
  return inBytes(message, bytes);
}

/** The same message with `bytes`, the UTF-8 of its text, in place of the text. */
function inBytes(message: Message, bytes: Uint8Array): Message {
  const text = message.text as string;
  const bytesOf = ({ start, end }: Span): Span => {
    const from = Buffer.byteLength(text.slice(0, start));
    return { start: from, end: from + Buffer.byteLength(text.slice(start, end)) };
  };
  return {
    ...message,
    text: bytes,
    idSpan: message.idSpan && bytesOf(message.idSpan),
    tokenSpan: message.tokenSpan && bytesOf(message.tokenSpan),
    payloadSpan: message.payloadSpan && bytesOf(message.payloadSpan),
    metaSpan: message.metaSpan && bytesOf(message.metaSpan),
  };
}
