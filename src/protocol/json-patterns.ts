/**
 * JSON as regular expressions: V8 makes machine code of them that passes over text several times as fast as a loop over
 * its characters does. All are sticky: they match at `lastIndex`, or nothing. What they match is valid JSON without
 * white space, or with the single spaces behind colons and commas that Python writes; what they do not match may be
 * valid all the same.
 *
 * One character decides each choice, so a match that fails is not tried again in another way.
 *
 * RFC 8259, sections 3 to 7.
 */

export const sticky = (pattern: string): RegExp => new RegExp(pattern, 'y');

/** Characters of a string that stand for themselves, perhaps none. */
export const PLAIN = String.raw`[^"\\\u0000-\u001f]*`;
const ESCAPE = String.raw`\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})`;
const STRING = `"${PLAIN}(?:${ESCAPE}${PLAIN})*"`;
const NUMBER = String.raw`-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?`;
const WORD = 'true|false|null';

const objectOf = (value: string): string => String.raw`\{(?:${STRING}: ?${value}(?:, ?(?!\})|(?=\})))*\}`;

const arrayOf = (value: string): string => String.raw`\[(?:${value}(?:, ?(?!\])|(?=\])))*\]`;

/** A value that is a scalar, or an object or an array of such values as `inner` is. */
const nest = (inner: string): string =>
  `(?:${STRING}|${NUMBER}|${WORD}|${objectOf(inner)}|${arrayOf(inner)})`;

/** So deep may objects and arrays stand in each other in what `SHALLOW_VALUE` matches. */
export const SHALLOW_LEVELS = 3;

const SHALLOW = nest(nest(nest(`(?:${STRING}|${NUMBER}|${WORD})`)));

/** Most arguments and results as a whole. Only for short texts: each member and escape takes some of V8's stack. */
export const SHALLOW_VALUE = sticky(SHALLOW);

/** Texts for patterns of a whole message: an object of such values, and objects and lists of strings. */
export const SHALLOW_OBJECT = objectOf(SHALLOW);
export const OBJECT_OF_STRINGS = objectOf(STRING);
export const LIST_OF_STRINGS = arrayOf(STRING);

/** Longer messages are not matched as a whole: one that does not match in the end was passed over for nothing. */
export const MAX_WHOLE_CHARS = 2048;

/** An id of JSON-RPC: a number, or a string that is its own text. */
export const ID = `(?:${NUMBER}|"${PLAIN}")`;

export const NUMBER_OR_WORD = sticky(`${NUMBER}|${WORD}`);

/** Escapes that the pattern of a string takes at once, for the same reason. */
const MAX_ESCAPES = 1000;

/** A string that does not have very many escapes. */
export const USUAL_STRING = sticky(`"${PLAIN}(?:${ESCAPE}${PLAIN}){0,${MAX_ESCAPES}}"`);

/** Some more characters of a string that has. */
export const STRING_PART = sticky(`(?:${PLAIN}${ESCAPE}){1,${MAX_ESCAPES}}`);
export const STRING_REST = sticky(`${PLAIN}"`);

/** A key that is its own text, with its colon. */
export const PLAIN_KEY = sticky(`"${PLAIN}":`);
