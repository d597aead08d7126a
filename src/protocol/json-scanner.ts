/**
 * A cursor over JSON text that checks it against RFC 8259 without building anything. What JSON.parse costs on a
 * small message is mostly the objects; a bridge only needs to know that a message is valid and where a few values
 * stand.
 */

/** Deeper nesting is refused: nobody sends it in earnest, and a reader behind us may recurse. */
export const MAX_DEPTH = 256;

const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const QUOTE = 0x22;
const PLUS = 0x2b;
const COMMA = 0x2c;
const MINUS = 0x2d;
const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const END = -1;

/** Keys of one message of a client, in all objects together: none has as many in earnest, and building them takes time. */
export const MAX_CLIENT_KEYS = 100_000;
/** For messages of servers, whose results may be as large as their lines. */
export const ANY_KEYS = 0x3fffffff;

/** So many plain characters in a row are the middle of an image or a file, which a pattern passes over in half the time. */
const LONG_RUN = 128;

/** Thrown for text that is not JSON; the caller asks JSON.parse for the words. */
export class NotJson extends Error {}

/** Thrown at the first level that is one too many, whatever follows: to parse the rest would build all of it. */
export class TooDeep extends NotJson {}

export class JsonScanner {
  readonly text: string;
  /** Of the next character to read. */
  at = 0;
  /** A CR or LF stood between two tokens. */
  sawLineBreak = false;
  /** How many more keys may come; negative when there were too many. */
  keysLeft: number;

  constructor(text: string, maxKeys: number) {
    this.text = text;
    this.keysLeft = maxKeys;
  }

  /** The next character that is not white space, which is left unread; END behind the last. */
  peek(): number {
    const { text } = this;
    // Never reads behind the end: V8 stops inlining the reads of a place where that happened once.
    for (; this.at < text.length; this.at++) {
      const c = text.charCodeAt(this.at);
      if (c > SPACE || (c !== SPACE && c !== LF && c !== CR && c !== TAB)) return c;
      if (c === LF || c === CR) this.sawLineBreak = true;
    }
    return END;
  }

  /** Whether the text is over but for white space. */
  atEnd(): boolean {
    return this.peek() === END;
  }

  /** Enters an object; false when the next value is none. Members follow with `key`, `value` and `more`. */
  openObject(): boolean {
    if (this.peek() !== OPEN_BRACE) return false;
    this.at++;
    return true;
  }

  /** Whether the object just entered has no member; if so it is left. */
  closesAtOnce(): boolean {
    if (this.peek() !== CLOSE_BRACE) return false;
    this.at++;
    return true;
  }

  /** Reads a key and the colon behind it. */
  key(): string {
    if (this.peek() !== QUOTE) throw new NotJson();
    const start = this.at;
    const escaped = this.#string();
    const key = escaped
      ? (JSON.parse(this.text.slice(start, this.at)) as string)
      : this.text.slice(start + 1, this.at - 1);
    if (this.peek() !== COLON || --this.keysLeft < 0) throw new NotJson();
    this.at++;
    return key;
  }

  /** Behind a member: true when another follows, false when the object ends here. */
  more(): boolean {
    const c = this.peek();
    this.at++;
    if (c === COMMA) return true;
    if (c === CLOSE_BRACE) return false;
    throw new NotJson();
  }

  /** Passes over one value of any kind; `depth` is that of what it stands in. */
  value(depth: number): void {
    const c = this.peek();
    if (c === QUOTE) this.#string();
    else if (c === OPEN_BRACE) this.#object(depth + 1);
    else if (c === OPEN_BRACKET) this.#array(depth + 1);
    else if (c === MINUS || (c >= ZERO && c <= NINE)) this.#number(c);
    else this.#literal(c);
  }

  #object(depth: number): void {
    if (depth > MAX_DEPTH) throw new TooDeep();
    this.at++;
    let c = this.peek();
    if (c === CLOSE_BRACE) {
      this.at++;
      return;
    }
    for (;;) {
      if (c !== QUOTE) throw new NotJson();
      this.#string();
      if (this.peek() !== COLON || --this.keysLeft < 0) throw new NotJson();
      this.at++;
      this.value(depth);
      c = this.peek();
      this.at++;
      if (c === CLOSE_BRACE) return;
      if (c !== COMMA) throw new NotJson();
      c = this.peek();
    }
  }

  #array(depth: number): void {
    if (depth > MAX_DEPTH) throw new TooDeep();
    this.at++;
    if (this.peek() === CLOSE_BRACKET) {
      this.at++;
      return;
    }
    for (;;) {
      this.value(depth);
      const c = this.peek();
      this.at++;
      if (c === CLOSE_BRACKET) return;
      if (c !== COMMA) throw new NotJson();
    }
  }

  /** The next character is the opening quote. True when the string holds an escape. */
  #string(): boolean {
    const { text } = this;
    let escaped = false;
    let i = this.at + 1;
    let longAt = i + LONG_RUN;
    for (;;) {
      const c = text.charCodeAt(i);
      if (c === QUOTE) break;
      // NaN behind the end fails the comparison, as control characters do.
      if (!(c >= SPACE)) throw new NotJson();
      if (c === BACKSLASH) {
        escaped = true;
        i += this.#escape(i);
        longAt = i + LONG_RUN;
      } else if (++i === longAt) {
        i = specialAt(text, i);
        longAt = i + LONG_RUN;
      }
    }
    this.at = i + 1;
    return escaped;
  }

  /** Length of the escape sequence at `i`. */
  #escape(i: number): number {
    const kind = this.text.charAt(i + 1);
    if (kind === 'u') {
      if (!/^[0-9a-fA-F]{4}$/.test(this.text.slice(i + 2, i + 6))) throw new NotJson();
      return 6;
    }
    if (kind === '' || !'"\\/bfnrt'.includes(kind)) throw new NotJson();
    return 2;
  }

  #number(first: number): void {
    let i = this.at;
    const { text } = this;
    if (first === MINUS) i++;
    if (text.charCodeAt(i) === ZERO) i++;
    else i = digits(text, i);
    if (text.charCodeAt(i) === DOT) i = digits(text, i + 1);
    const e = text.charCodeAt(i) | 0x20;
    if (e === 0x65) {
      const sign = text.charCodeAt(i + 1);
      i = digits(text, sign === PLUS || sign === MINUS ? i + 2 : i + 1);
    }
    this.at = i;
  }

  #literal(c: number): void {
    const word = c === 0x74 ? 'true' : c === 0x66 ? 'false' : 'null';
    if (!this.text.startsWith(word, this.at)) throw new NotJson();
    this.at += word.length;
  }
}

/** The first character from `at` on that ends a string, escapes or must not be there; the end of the text without one. */
function specialAt(text: string, at: number): number {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: JSON forbids them in strings, and they are looked for.
  const special = /["\\\u0000-\u001f]/g;
  special.lastIndex = at;
  return special.test(text) ? special.lastIndex - 1 : text.length;
}

/** Behind the digits at `at`, of which there must be one. */
function digits(text: string, at: number): number {
  let i = at;
  for (let c = text.charCodeAt(i); c >= ZERO && c <= NINE; c = text.charCodeAt(i)) i++;
  if (i === at) throw new NotJson();
  return i;
}
