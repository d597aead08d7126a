/**
 * The Piscina task that reads one large message off the event loop. In: the message's bytes (transferred). Out:
 * what `readMessage` found, with the same bytes as its text (transferred back) and spans counted in bytes.
 */
import { isUtf8 } from 'node:buffer';
import { getPriority, setPriority } from 'node:os';
import { isMainThread } from 'node:worker_threads';
import { move, transferableSymbol, valueSymbol } from 'piscina';
import { ANY_KEYS } from '../src/protocol/json-scanner.ts';
import type { Span } from '../src/protocol/json-text.ts';
import type { Message } from '../src/protocol/message.ts';
import { type Malformed, readMessage } from '../src/protocol/read-message.ts';
import { asBuffer, textOf } from '../src/protocol/utf8.ts';
import type { LargeMessage } from '../src/tasks.ts';

/** Of this thread alone, where a priority is a thread's: on a machine that is full the event loop goes first. */
const NICENESS = 10;
// A process that is nicer already stays so: to become less nice takes a right that few have.
if (!isMainThread && process.platform === 'linux' && getPriority() < NICENESS) setPriority(NICENESS);

export default function readLargeMessage({ bytes, maxKeys }: LargeMessage): unknown {
  const message = readLarge(bytes, maxKeys);
  if (message.kind === 'malformed') return message;
  const { buffer } = message.text as Uint8Array<ArrayBuffer>;
  return move({ [transferableSymbol]: buffer, [valueSymbol]: message });
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
  const text = message.text as string;
  const inBytes = ({ start, end }: Span): Span => {
    const from = Buffer.byteLength(text.slice(0, start));
    return { start: from, end: from + Buffer.byteLength(text.slice(start, end)) };
  };
  return {
    ...message,
    text: bytes,
    idSpan: message.idSpan && inBytes(message.idSpan),
    tokenSpan: message.tokenSpan && inBytes(message.tokenSpan),
    payloadSpan: message.payloadSpan && inBytes(message.payloadSpan),
  };
}
