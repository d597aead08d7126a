/**
 * Finds values inside valid JSON text without building them. Callers have run JSON.parse on the same text: these
 * functions trust its validity and only keep count of quotes and brackets.
 */

/** `start` inclusive, `end` exclusive. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

const QUOTE = 0x22;
const MINUS = 0x2d;
const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;

function skipSpace(text: string, at: number): number {
  let i = at;
  for (
    let c = text.charCodeAt(i);
    c === 0x20 || c === 0x0a || c === 0x0d || c === 0x09;
    c = text.charCodeAt(i)
  )
    i++;
  return i;
}

/** `at` is the opening quote; the result is just behind the closing one. */
function skipString(text: string, at: number): number {
  let end = text.indexOf('"', at + 1);
  for (;;) {
    let backslashes = 0;
    while (text.charCodeAt(end - 1 - backslashes) === BACKSLASH) backslashes++;
    if (backslashes % 2 === 0) return end + 1;
    end = text.indexOf('"', end + 1);
  }
}

/** `at` is the first character of a value; the result is just behind its last. */
function skipValue(text: string, at: number): number {
  const first = text.charCodeAt(at);
  if (first === QUOTE) return skipString(text, at);
  let i = at;
  if (first !== OPEN_BRACE && first !== OPEN_BRACKET) {
    for (; i < text.length; i++) {
      const c = text.charCodeAt(i);
      if (c === COMMA || c === CLOSE_BRACE || c === CLOSE_BRACKET || c <= 0x20) break;
    }
    return i;
  }
  let depth = 0;
  for (;;) {
    const c = text.charCodeAt(i);
    if (c === QUOTE) {
      i = skipString(text, i);
      continue;
    }
    i++;
    if (c === OPEN_BRACE || c === OPEN_BRACKET) depth++;
    else if ((c === CLOSE_BRACE || c === CLOSE_BRACKET) && --depth === 0) return i;
  }
}

/** A key as it reads; most hold no escape and are their own text. */
function keyAt(text: string, start: number, end: number): string {
  const raw = text.slice(start + 1, end - 1);
  return raw.includes('\\') ? (JSON.parse(text.slice(start, end)) as string) : raw;
}

/**
 * The spans of the values of the `wanted` keys of the object at `at`, in the order of `wanted`; or the name of a
 * wanted key that stands there twice.
 */
export function memberSpans(
  text: string,
  at: number,
  wanted: readonly string[],
): (Span | undefined)[] | string {
  const spans: (Span | undefined)[] = new Array(wanted.length).fill(undefined);
  let i = skipSpace(text, skipSpace(text, at) + 1);
  while (text.charCodeAt(i) === QUOTE) {
    const keyEnd = skipString(text, i);
    const index = wanted.indexOf(keyAt(text, i, keyEnd));
    const start = skipSpace(text, skipSpace(text, keyEnd) + 1);
    const end = skipValue(text, start);
    if (index !== -1) {
      if (spans[index] !== undefined) return wanted[index] as string;
      spans[index] = { start, end };
    }
    i = skipSpace(text, end);
    if (text.charCodeAt(i) === COMMA) i = skipSpace(text, i + 1);
  }
  return spans;
}

/** The spans of the elements of an array. */
export function elementSpans(text: string): Span[] {
  const spans: Span[] = [];
  let i = skipSpace(text, skipSpace(text, 0) + 1);
  while (i < text.length && text.charCodeAt(i) !== CLOSE_BRACKET) {
    const end = skipValue(text, i);
    spans.push({ start: i, end });
    i = skipSpace(text, end);
    if (text.charCodeAt(i) === COMMA) i = skipSpace(text, i + 1);
  }
  return spans;
}

/** Whether the value there is what ids of JSON-RPC and progress tokens of MCP are. */
export function isStringOrNumber(text: string, at: Span | undefined): at is Span {
  if (at === undefined) return false;
  const first = text.charCodeAt(at.start);
  return first === QUOTE || first === MINUS || (first >= DIGIT_0 && first <= DIGIT_9);
}
