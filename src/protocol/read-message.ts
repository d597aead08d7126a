/**
 * From text to messages: one pass that checks the JSON, finds what message.ts describes, and says in words what is
 * wrong with the rest.
 */
import { idMember, keyOf, plainStringMember, sticky } from './json-patterns.ts';
import { ANY_KEYS, JsonScanner, MAX_CLIENT_KEYS, MAX_DEPTH, NotJson, TooDeep } from './json-scanner.ts';
import { elementSpans, type Span } from './json-text.ts';
import type { Message } from './message.ts';
import { VERSION_KEY } from './modern-keys.ts';

// What nearly everybody writes just so.
const VERSION_2 = sticky('"jsonrpc": ?"2\\.0"');
const ID = idMember('id');
const METHOD = plainStringMember('method');
const PARAMS = keyOf('params');
const RESULT = keyOf('result');
const NAME = plainStringMember('name');
const ARGUMENTS = keyOf('arguments');

/** What could not be read as a message, in words for its sender. */
export interface Malformed {
  readonly kind: 'malformed';
  readonly code: 'parse_error' | 'invalid_request';
  readonly reason: string;
  /** The id as JSON text where one could be read, else `null`. */
  readonly id: string;
}

/** The first character that is not white space tells a batch (MCP 2025-03-26 only) from a message. */
export const isBatch = (text: string): boolean => !text.startsWith('{') && /^[ \t\r\n]*\[/.test(text);

/** Messages of one batch. */
const MAX_BATCH = 100;

/** The messages of a client's batch, each read on its own; Malformed when the whole is no array of some of them. */
export function readBatch(text: string): readonly (Message | Malformed)[] | Malformed {
  try {
    JSON.parse(text);
  } catch (error) {
    return malformed('parse_error', `The body is not valid JSON: ${(error as Error).message}.`);
  }
  const spans = elementSpans(text);
  if (spans.length === 0)
    return malformed('invalid_request', 'A batch holds at least one message; found none.');
  if (spans.length > MAX_BATCH)
    return malformed(
      'invalid_request',
      `A batch holds at most ${MAX_BATCH} messages; found ${spans.length}.`,
    );
  return spans.map(({ start, end }) => readMessage(text.slice(start, end), MAX_CLIENT_KEYS));
}

/**
 * Reads one message. Its text becomes one line, because that is what a stdio server reads: CR and LF outside of
 * strings become spaces (inside of strings JSON does not allow them). `maxKeys`: of all objects in it together.
 */
export function readMessage(source: string, maxKeys = ANY_KEYS): Message | Malformed {
  const scanner = new JsonScanner(source, maxKeys);
  const found = new Found();
  try {
    if (!scanner.openObject()) {
      scanner.value(0);
      if (!scanner.atEnd()) throw new NotJson();
      return malformed('invalid_request', `A JSON-RPC message is an object; found ${shown(source.trim())}.`);
    }
    if (!scanner.closesAtOnce()) {
      do found.member(scanner);
      while (scanner.more());
    }
    if (!scanner.atEnd()) throw new NotJson();
  } catch (error) {
    if (error instanceof NotJson && scanner.keysLeft < 0)
      return malformed('invalid_request', `The message has more than ${maxKeys} keys.`);
    if (error instanceof TooDeep)
      return malformed('invalid_request', `The message is nested deeper than ${MAX_DEPTH} levels.`);
    if (error instanceof NotJson) return notJson(source);
    throw error;
  }
  const text = scanner.sawLineBreak ? source.replace(/[\r\n]/g, ' ') : source;
  return found.asMessage(text);
}

function notJson(source: string): Malformed {
  let why = '';
  try {
    JSON.parse(source);
  } catch (error) {
    why = `: ${(error as Error).message}`;
  }
  return malformed('parse_error', `The message is not valid JSON${why}.`);
}

/**
 * What a scan has met. Keys that are looked at may stand there once: of two, one reader would take the first and
 * another the last.
 */
class Found {
  #version: Span | undefined;
  #isVersion2 = false;
  #id: Span | undefined;
  #method: Span | undefined;
  /** `method` as a string; undefined where it is none. So are the other texts. */
  #methodText: string | undefined;
  #params: Span | undefined;
  #result: Span | undefined;
  #error: Span | undefined;
  #name: Span | undefined;
  #nameText: string | undefined;
  #uri: Span | undefined;
  #uriText: string | undefined;
  #requestId: Span | undefined;
  /** `params.progressToken`, and the one in `params._meta`. */
  #token: Span | undefined;
  #metaToken: Span | undefined;
  #meta: Span | undefined;
  #claim: Span | undefined;
  #twice: string | undefined;

  member(scanner: JsonScanner): void {
    if (!this.#usualMember(scanner)) this.#anyMember(scanner, scanner.key());
  }

  /** As nearly everybody writes it, which is matched as a whole; false, and nothing is read, for any other. */
  #usualMember(scanner: JsonScanner): boolean {
    scanner.peek();
    const { text, at } = scanner;
    switch (text[at + 1]) {
      case 'j':
        if (!scanner.member(VERSION_2)) return false;
        this.#version = this.#once(this.#version, since(at + '"jsonrpc":'.length, scanner), 'jsonrpc');
        this.#isVersion2 = true;
        return true;
      case 'i':
        if (!scanner.member(ID)) return false;
        this.#id = this.#once(this.#id, since(at + '"id":'.length, scanner), 'id');
        return true;
      case 'm':
        if (!scanner.member(METHOD)) return false;
        this.#method = this.#once(this.#method, since(at + '"method":'.length, scanner), 'method');
        this.#methodText = inner(text, this.#method);
        return true;
      case 'p':
        if (!scanner.member(PARAMS)) return false;
        this.#params = this.#once(this.#params, this.#inParams(scanner), 'params');
        return true;
      case 'r':
        if (!scanner.member(RESULT)) return false;
        this.#result = this.#once(this.#result, span(scanner, 1), 'result');
        return true;
      default:
        return false;
    }
  }

  #anyMember(scanner: JsonScanner, key: string): void {
    switch (key) {
      case 'id':
        this.#id = this.#once(this.#id, span(scanner, 1), key);
        break;
      case 'jsonrpc':
        this.#version = this.#once(this.#version, span(scanner, 1), key);
        this.#isVersion2 = stringAt(scanner.text, this.#version) === '2.0';
        break;
      case 'method':
        this.#method = this.#once(this.#method, span(scanner, 1), key);
        this.#methodText = stringAt(scanner.text, this.#method);
        break;
      case 'params':
        this.#params = this.#once(this.#params, this.#inParams(scanner), key);
        break;
      case 'result':
        this.#result = this.#once(this.#result, span(scanner, 1), key);
        break;
      case 'error':
        this.#error = this.#once(this.#error, span(scanner, 1), key);
        break;
      default:
        scanner.value(1);
    }
  }

  asMessage(text: string): Message | Malformed {
    if (this.#twice !== undefined) {
      return this.#invalid(text, `The key "${this.#twice}" stands there twice; a message has each key once.`);
    }
    if (!this.#isVersion2) {
      return this.#invalid(text, `"jsonrpc" must be "2.0"; found ${shown(cut(text, this.#version))}.`);
    }
    const id = cut(text, this.#id);
    const hasId = isId(text, this.#id);
    if (this.#method === undefined) return this.#answer(text, id, hasId);
    const method = this.#methodText;
    if (method === undefined)
      return this.#invalid(text, `"method" must be a string; found ${shown(cut(text, this.#method))}.`);
    if (this.#id !== undefined && !hasId)
      return this.#invalid(text, `"id" must be a string or a number; found ${shown(id)}.`);
    if (this.#params !== undefined && text.charCodeAt(this.#params.start) !== 0x7b) {
      return this.#invalid(text, `"params" must be an object; found ${shown(cut(text, this.#params))}.`);
    }
    const kind = this.#id === undefined ? 'notification' : 'request';
    const tokenSpan = kind === 'request' ? this.#metaToken : this.#tokenOf(method);
    const isToken = isId(text, tokenSpan);
    return {
      kind,
      text,
      method,
      id,
      target: this.#nameText ?? this.#uriText,
      token: isToken ? cut(text, tokenSpan) : undefined,
      idSpan: this.#id,
      tokenSpan: isToken ? tokenSpan : undefined,
      isModern: this.#claim !== undefined,
      payloadSpan: this.#params,
      metaSpan: this.#meta,
    };
  }

  #invalid(text: string, reason: string): Malformed {
    return malformed('invalid_request', reason, isId(text, this.#id) ? cut(text, this.#id) : undefined);
  }

  #answer(text: string, id: string | undefined, hasId: boolean): Message | Malformed {
    const payloadSpan = this.#result ?? this.#error;
    if (payloadSpan === undefined)
      return this.#invalid(text, 'A message needs "method", "result" or "error"; found none of them.');
    if (this.#result !== undefined && this.#error !== undefined) {
      return this.#invalid(text, 'A response has "result" or "error"; found both.');
    }
    const kind = this.#result === undefined ? 'error' : 'result';
    if (kind === 'error' && text[payloadSpan.start] !== '{') {
      return this.#invalid(text, `"error" must be an object; found ${shown(cut(text, payloadSpan))}.`);
    }
    if (kind === 'result' && !hasId)
      return this.#invalid(text, `A result needs the "id" of its request; found ${shown(id)}.`);
    return {
      kind,
      text,
      method: '',
      id: hasId ? id : undefined,
      target: undefined,
      token: undefined,
      idSpan: hasId ? this.#id : undefined,
      tokenSpan: undefined,
      isModern: false,
      payloadSpan,
      metaSpan: undefined,
    };
  }

  #tokenOf(notification: string): Span | undefined {
    return notification === 'notifications/cancelled' ? this.#requestId : this.#token;
  }

  #inParams(scanner: JsonScanner): Span {
    scanner.peek();
    const start = scanner.at;
    if (!scanner.openObject()) return span(scanner, 1);
    if (scanner.closesAtOnce()) return since(start, scanner);
    do this.#param(scanner);
    while (scanner.more());
    return since(start, scanner);
  }

  #param(scanner: JsonScanner): void {
    if (!this.#usualParam(scanner)) this.#anyParam(scanner, scanner.key());
  }

  #usualParam(scanner: JsonScanner): boolean {
    scanner.peek();
    const { text, at } = scanner;
    switch (text[at + 1]) {
      case 'n':
        if (!scanner.member(NAME)) return false;
        this.#name = this.#once(this.#name, since(at + '"name":'.length, scanner), 'params.name');
        this.#nameText = inner(text, this.#name);
        return true;
      case 'a':
        if (!scanner.member(ARGUMENTS)) return false;
        scanner.value(2);
        return true;
      default:
        return false;
    }
  }

  #anyParam(scanner: JsonScanner, key: string): void {
    switch (key) {
      case 'name':
        this.#name = this.#once(this.#name, span(scanner, 2), 'params.name');
        this.#nameText = stringAt(scanner.text, this.#name);
        break;
      case 'uri':
        this.#uri = this.#once(this.#uri, span(scanner, 2), 'params.uri');
        this.#uriText = stringAt(scanner.text, this.#uri);
        break;
      case 'progressToken':
        this.#token = this.#once(this.#token, span(scanner, 2), 'params.progressToken');
        break;
      case 'requestId':
        this.#requestId = this.#once(this.#requestId, span(scanner, 2), 'params.requestId');
        break;
      case '_meta':
        this.#meta = this.#once(this.#meta, this.#inMeta(scanner), 'params._meta');
        break;
      default:
        scanner.value(2);
    }
  }

  #inMeta(scanner: JsonScanner): Span {
    scanner.peek();
    const start = scanner.at;
    if (!scanner.openObject()) return span(scanner, 2);
    if (scanner.closesAtOnce()) return since(start, scanner);
    do {
      const key = scanner.key();
      if (key === 'progressToken') {
        this.#metaToken = this.#once(this.#metaToken, span(scanner, 3), 'params._meta.progressToken');
      } else if (key === VERSION_KEY) {
        this.#claim = this.#once(this.#claim, span(scanner, 3), `params._meta["${VERSION_KEY}"]`);
      } else scanner.value(3);
    } while (scanner.more());
    return since(start, scanner);
  }

  #once(before: Span | undefined, found: Span, key: string): Span {
    if (before !== undefined) this.#twice ??= key;
    return found;
  }
}

/** From `start`, or behind a space there, to where the scanner is. */
function since(start: number, { text, at }: JsonScanner): Span {
  return { start: text.charCodeAt(start) === 0x20 ? start + 1 : start, end: at };
}

/** Passes over a value and says where it stood; `depth` is that of what it stands in. */
function span(scanner: JsonScanner, depth: number): Span {
  scanner.peek();
  const start = scanner.at;
  scanner.value(depth);
  return since(start, scanner);
}

const cut = (text: string, at: Span | undefined): string | undefined => at && text.slice(at.start, at.end);

/** What stands between the quotes. */
const inner = (text: string, { start, end }: Span): string => text.slice(start + 1, end - 1);

/** The string that stands there; undefined for anything else. */
function stringAt(text: string, at: Span | undefined): string | undefined {
  if (at === undefined || text[at.start] !== '"') return undefined;
  const inner = text.slice(at.start + 1, at.end - 1);
  return inner.includes('\\') ? (JSON.parse(`"${inner}"`) as string) : inner;
}

/** JSON-RPC ids and MCP progress tokens: strings and numbers. */
function isId(text: string, at: Span | undefined): boolean {
  if (at === undefined) return false;
  const first = text.charCodeAt(at.start);
  return first === 0x22 || first === 0x2d || (first >= 0x30 && first <= 0x39);
}

/** A value in a sentence, at most a few words of it. */
function shown(json: string | undefined): string {
  if (json === undefined) return 'nothing';
  if (json.startsWith('[')) return 'an array';
  if (json.startsWith('{')) return 'an object';
  return json.length > 60 ? `${json.slice(0, 60)}…` : json;
}

function malformed(code: Malformed['code'], reason: string, id = 'null'): Malformed {
  return { kind: 'malformed', code, reason, id };
}
