/**
 * Calls and results as nearly everybody writes them, each matched as a whole by one regular expression: short, without
 * white space, and with `jsonrpc` and `id` first or last. It follows from the lengths of a few parts where they stand.
 */
import { ID, MAX_WHOLE_CHARS, PLAIN, SHALLOW_OBJECT, sticky } from './json-patterns.ts';
import { ANY_KEYS, JsonScanner } from './json-scanner.ts';
import type { Span } from './json-text.ts';
import type { Message } from './message.ts';
import { readMeta } from './meta.ts';

const META = `"_meta":(${SHALLOW_OBJECT})`;
const PARAMS = String.raw`\{(?:"(?:name|uri)":"(${PLAIN})"(?:,"arguments":${SHALLOW_OBJECT})?(?:,(?="_meta":)|(?=\})))?(?:${META})?\}`;
/** Three groups: method, name and `_meta`, none of which an answer has. */
const CONTENT = `(?:"(?:result|error)":${SHALLOW_OBJECT}|"method":"(${PLAIN})"(?:,"params":${PARAMS})?)`;

const FRAME = String.raw`"jsonrpc":"2\.0","id":(${ID})`;
const MESSAGE = sticky(String.raw`\{(?:${FRAME},)?${CONTENT}(?:,${FRAME})?\}$`);

const FRAME_CHARS = '"jsonrpc":"2.0","id":,'.length;
const BEFORE_RESULT = '"result":'.length;
const BEFORE_ERROR = '"error":'.length;
const AROUND_METHOD = '"method":""'.length;
const BEFORE_PARAMS = ',"params":'.length;

const SMALL_E = 0x65;

/** Undefined for what is written in another way, which may be a message all the same. It has fewer keys than any limit. */
export function readUsualMessage(text: string): Message | undefined {
  if (text.length > MAX_WHOLE_CHARS) return undefined;
  MESSAGE.lastIndex = 0;
  const match = MESSAGE.exec(text);
  if (match === null) return undefined;
  const [, first, method, name, meta, last] = match;
  const id = first ?? last;
  if (id === undefined || (first !== undefined && last !== undefined)) return undefined;
  const frame = FRAME_CHARS + id.length;
  const end = text.length - 1;
  const isFirst = first !== undefined;
  const idStart = isFirst ? FRAME_CHARS : end - id.length;
  const parts = {
    id,
    idSpan: { start: idStart, end: idStart + id.length },
    content: isFirst ? { start: 1 + frame, end } : { start: 1, end: end - frame },
    method,
    name,
    meta,
  };
  return method === undefined ? answer(text, parts) : request(text, parts);
}

interface Parts {
  readonly id: string;
  readonly idSpan: Span;
  /** What is not `jsonrpc` or `id`. */
  readonly content: Span;
  readonly method: string | undefined;
  readonly name: string | undefined;
  readonly meta: string | undefined;
}

function answer(text: string, { id, idSpan, content }: Parts): Message {
  const isError = text.charCodeAt(content.start + 1) === SMALL_E;
  const start = content.start + (isError ? BEFORE_ERROR : BEFORE_RESULT);
  return {
    kind: isError ? 'error' : 'result',
    text,
    method: '',
    id,
    target: undefined,
    token: undefined,
    idSpan,
    tokenSpan: undefined,
    isModern: false,
    payloadSpan: { start, end: content.end },
    metaSpan: undefined,
  };
}

function request(text: string, { id, idSpan, content, method = '', name, meta }: Parts): Message | undefined {
  const methodEnd = content.start + AROUND_METHOD + method.length;
  const found = meta === undefined ? undefined : metaAt(text, content.end - 1 - meta.length);
  if (found?.twice !== undefined) return undefined;
  const tokenSpan = found?.tokenSpan;
  return {
    kind: 'request',
    text,
    method,
    id,
    target: name,
    token: tokenSpan && text.slice(tokenSpan.start, tokenSpan.end),
    idSpan,
    tokenSpan,
    isModern: found?.isModern === true,
    payloadSpan:
      methodEnd === content.end ? undefined : { start: methodEnd + BEFORE_PARAMS, end: content.end },
    metaSpan: found?.span,
  };
}

function metaAt(text: string, start: number) {
  const scanner = new JsonScanner(text, ANY_KEYS);
  scanner.at = start;
  return readMeta(scanner);
}
