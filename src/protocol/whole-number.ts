/**
 * Digits to a number, where it happens for every message: `Number` looks first whether a text could be an array's
 * index, in the slow part of V8.
 */

/** A number holds any 15 digits exactly. */
const MAX_DIGITS = 15;
const ZERO = 0x30;

/** What 1 to 15 digits say; NaN for anything else. */
export function wholeNumber(text: string): number {
  const { length } = text;
  if (length === 0 || length > MAX_DIGITS) return Number.NaN;
  let value = 0;
  for (let i = 0; i < length; i++) {
    const digit = text.charCodeAt(i) - ZERO;
    if (digit < 0 || digit > 9) return Number.NaN;
    value = value * 10 + digit;
  }
  return value;
}

/** The same for whatever reads as a number: a server may write 7 as 7.0, a client a length with zeros before it. */
export function numberIn(text: string): number {
  const whole = wholeNumber(text);
  return Number.isNaN(whole) ? Number(text) : whole;
}
