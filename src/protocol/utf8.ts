/**
 * Bytes to text. Nearly all messages are ASCII, and for those a look at the bytes and a plain copy is the cheapest
 * way there is.
 */
// Not the global one, which is a getter.
import { Buffer, isAscii, isUtf8 } from 'node:buffer';

/** Undefined for bytes that are not valid UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  if (isAscii(bytes)) return asBuffer(bytes).toString('latin1');
  return isUtf8(bytes) ? asBuffer(bytes).toString() : undefined;
}

/** What is not UTF-8 becomes U+FFFD. */
export function textOf(bytes: Uint8Array): string {
  return asBuffer(bytes).toString(isAscii(bytes) ? 'latin1' : 'utf8');
}

/** The same memory as a Buffer, which it may be already. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
