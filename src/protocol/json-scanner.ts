/**
 * A cursor over JSON text that checks it against RFC 8259 without building anything. What JSON.parse costs on a
 * small message is mostly the objects; a bridge only needs to know that a message is valid and where a few values
 * stand.
 */
import {
  NUMBER_OR_WORD,
  PLAIN_KEY,
  SHALLOW_LEVELS,
  SHALLOW_VALUE,
  STRING_PART,
  STRING_REST,
  USUAL_STRING,
} from './json-patterns.ts';
import type { Span } from './json-text.ts';
import { LARGE_MESSAGE_BYTES } from './large.ts';

/** Deeper nesting is refused: nobody sends it in earnest, and a reader behind us may recurse. */
export const MAX_DEPTH = 256;

const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const END = -1;

/** Keys of one message of a client, in all objects together: none has as many in earnest, and building them takes time. */
export const MAX_CLIENT_KEYS = 100_000;
/** For messages of servers, whose results may be as large as their lines. */
export const ANY_KEYS = 0x3fffffff;

/** `"":0,` */
const LEAST_MEMBER_CHARS = 5;

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
  /** The deepest level of a value that may be passed over as a whole: its keys are not counted. */
  readonly #maxWholeDepth: number;

  constructor(text: string, maxKeys: number) {
    this.text = text;
    this.keysLeft = maxKeys;
    const isShort = text.length <= LARGE_MESSAGE_BYTES && text.length <= maxKeys * LEAST_MEMBER_CHARS;
    this.#maxWholeDepth = isShort ? MAX_DEPTH - SHALLOW_LEVELS : -1;
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
    this.peek();
    const start = this.at;
    if (this.#plainKey()) return this.text.slice(start + 1, this.at - 2);
    this.#string();
    const key = JSON.parse(this.text.slice(start, this.at)) as string;
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
    else if (c !== OPEN_BRACE && c !== OPEN_BRACKET) this.#expect(NUMBER_OR_WORD);
    else if (depth > this.#maxWholeDepth || !this.#passes(SHALLOW_VALUE)) {
      if (depth === MAX_DEPTH) throw new TooDeep();
      this.at++;
      if (c === OPEN_BRACE) this.#members(depth + 1);
      else this.#elements(depth + 1);
    }
  }

  /** Passes over one value and says where it stood. */
  spanOfValue(depth: number): Span {
    this.peek();
    const start = this.at;
    this.value(depth);
    return { start, end: this.at };
  }

  /** Passes over a key that is its own text; false, and nothing is read, for any other. */
  #plainKey(): boolean {
    if (!this.#passes(PLAIN_KEY)) return false;
    if (--this.keysLeft < 0) throw new NotJson();
    return true;
  }

  /** Of an object that was entered, and is left. */
  #members(depth: number): void {
    if (this.closesAtOnce()) return;
    do {
      this.peek();
      if (!this.#plainKey()) this.key();
      this.value(depth);
    } while (this.more());
  }

  /** Of an array that was entered, and is left. */
  #elements(depth: number): void {
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

  #string(): void {
    if (this.#passes(USUAL_STRING)) return;
    if (this.peek() !== QUOTE) throw new NotJson();
    this.at++;
    while (this.#passes(STRING_PART));
    this.#expect(STRING_REST);
  }

  #expect(pattern: RegExp): void {
    if (!this.#passes(pattern)) throw new NotJson();
  }

  #passes(pattern: RegExp): boolean {
    pattern.lastIndex = this.at;
    if (!pattern.test(this.text)) return false;
    this.at = pattern.lastIndex;
    return true;
  }
}
