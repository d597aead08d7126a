/**
 * From text to messages: one pass that checks the JSON, finds what message.ts describes, and says in words what is
 * wrong with the rest.
 */
import { ANY_KEYS, JsonScanner, MAX_CLIENT_KEYS, MAX_DEPTH, NotJson, TooDeep } from './json-scanner.ts';
import { elementSpans, isStringOrNumber, type Span } from './json-text.ts';
import type { Message } from './message.ts';
import { type Meta, readMeta } from './meta.ts';
import { readUsualMessage } from './usual-message.ts';

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
  const usual = readUsualMessage(source);
  if (usual !== undefined) return usual;
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
  /** `params.progressToken` */
  #token: Span | undefined;
  #meta: Meta | undefined;
  #twice: string | undefined;

  member(scanner: JsonScanner): void {
    const key = scanner.key();
    switch (key) {
      case 'id':
        this.#id = this.#once(this.#id, scanner.spanOfValue(1), key);
        break;
      case 'jsonrpc':
        this.#version = this.#once(this.#version, scanner.spanOfValue(1), key);
        this.#isVersion2 = stringAt(scanner.text, this.#version) === '2.0';
        break;
      case 'method':
        this.#method = this.#once(this.#method, scanner.spanOfValue(1), key);
        this.#methodText = stringAt(scanner.text, this.#method);
        break;
      case 'params':
        this.#params = this.#once(this.#params, this.#inParams(scanner), key);
        break;
      case 'result':
        this.#result = this.#once(this.#result, scanner.spanOfValue(1), key);
        break;
      case 'error':
        this.#error = this.#once(this.#error, scanner.spanOfValue(1), key);
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
    const hasId = isStringOrNumber(text, this.#id);
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
    const tokenSpan = kind === 'request' ? this.#meta?.tokenSpan : this.#tokenOf(text, method);
    return {
      kind,
      text,
      method,
      id,
      target: this.#nameText ?? this.#uriText,
      token: cut(text, tokenSpan),
      idSpan: this.#id,
      tokenSpan,
      isModern: this.#meta?.isModern === true,
      payloadSpan: this.#params,
      metaSpan: this.#meta?.span,
    };
  }

  #invalid(text: string, reason: string): Malformed {
    return malformed(
      'invalid_request',
      reason,
      isStringOrNumber(text, this.#id) ? cut(text, this.#id) : undefined,
    );
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

  #tokenOf(text: string, notification: string): Span | undefined {
    const token = notification === 'notifications/cancelled' ? this.#requestId : this.#token;
    return isStringOrNumber(text, token) ? token : undefined;
  }

  #inParams(scanner: JsonScanner): Span {
    scanner.peek();
    const start = scanner.at;
    if (!scanner.openObject()) return scanner.spanOfValue(1);
    if (scanner.closesAtOnce()) return { start, end: scanner.at };
    do this.#param(scanner);
    while (scanner.more());
    return { start, end: scanner.at };
  }

  #param(scanner: JsonScanner): void {
    const key = scanner.key();
    switch (key) {
      case 'name':
        this.#name = this.#once(this.#name, scanner.spanOfValue(2), 'params.name');
        this.#nameText = stringAt(scanner.text, this.#name);
        break;
      case 'uri':
        this.#uri = this.#once(this.#uri, scanner.spanOfValue(2), 'params.uri');
        this.#uriText = stringAt(scanner.text, this.#uri);
        break;
      case 'progressToken':
        this.#token = this.#once(this.#token, scanner.spanOfValue(2), 'params.progressToken');
        break;
      case 'requestId':
        this.#requestId = this.#once(this.#requestId, scanner.spanOfValue(2), 'params.requestId');
        break;
      case '_meta':
        this.#meta = this.#once(this.#meta, readMeta(scanner), 'params._meta');
        this.#twice ??= this.#meta.twice;
        break;
      default:
        scanner.value(2);
    }
  }

  #once<T>(before: T | undefined, found: T, key: string): T {
    if (before !== undefined) this.#twice ??= key;
    return found;
  }
}

const cut = (text: string, at: Span | undefined): string | undefined => at && text.slice(at.start, at.end);

/** The string that stands there; undefined for anything else. */
function stringAt(text: string, at: Span | undefined): string | undefined {
  if (at === undefined || text[at.start] !== '"') return undefined;
  const inner = text.slice(at.start + 1, at.end - 1);
  return inner.includes('\\') ? (JSON.parse(`"${inner}"`) as string) : inner;
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
