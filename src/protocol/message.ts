/**
 * A JSON-RPC message as text, and where in it the few things stand that a bridge must know or change. Messages
 * pass through with their id (and progress token) replaced in the text: nothing is parsed and stringified again,
 * so large integers, key order and escapes arrive exactly as they were sent.
 *
 * JSON-RPC 2.0, sections 4 to 6; MCP basic protocol, "Messages".
 */
import type { Chunk } from '../http/engine.ts';
import { elementSpans, memberSpans, type Span } from './json-text.ts';

export type MessageKind = 'request' | 'notification' | 'result' | 'error';

export interface Message {
  readonly kind: MessageKind;
  /** One line. A string, or bytes when the message is too large for the event loop (see workers/messages.ts). */
  readonly text: Chunk;
  /** Empty for results and errors. */
  readonly method: string;
  /** The id as JSON text (`1`, `"a"`), type kept; undefined for notifications, and for errors with a null id. */
  readonly id: string | undefined;
  /** `params.name`, else `params.uri`: what a call is about. */
  readonly target: string | undefined;
  /**
   * What ties a message to a request, as JSON text: the progress token that a request asks for (`params._meta`),
   * that of `notifications/progress`, or the `requestId` of `notifications/cancelled`.
   */
  readonly token: string | undefined;
  /** Where id and token stand in `text`: characters of a string, bytes of a Uint8Array. */
  readonly idSpan: Span | undefined;
  readonly tokenSpan: Span | undefined;
  /** Where the value of `params`, `result` or `error` stands. */
  readonly payloadSpan: Span | undefined;
}

/** What could not be read as a message, in words for its sender. */
export interface Malformed {
  readonly kind: 'malformed';
  readonly code: 'parse_error' | 'invalid_request';
  readonly reason: string;
  /** The id as JSON text where one could be read, else `null`. */
  readonly id: string;
}

/** The first character that is not white space tells a batch (MCP 2025-03-26 only) from a message. */
export const isBatch = (text: string): boolean => /^[ \t\r\n]*\[/.test(text);

/** The messages of a batch, each read on its own; Malformed when the whole is no array of at least one. */
export function readBatch(text: string): readonly (Message | Malformed)[] | Malformed {
  try {
    JSON.parse(text);
  } catch (error) {
    return malformed('parse_error', `The body is not valid JSON: ${(error as Error).message}.`);
  }
  const spans = elementSpans(text);
  if (spans.length === 0)
    return malformed('invalid_request', 'A batch holds at least one message; found none.');
  return spans.map(({ start, end }) => readMessage(text.slice(start, end)));
}

/**
 * Reads one message. Its text becomes one line, because that is what a stdio server reads: CR and LF outside of
 * strings become spaces (inside of strings JSON does not allow them).
 */
export function readMessage(source: string): Message | Malformed {
  let parsed: unknown;
  try {
    parsed = JSON.parse(source);
  } catch (error) {
    return malformed('parse_error', `The message is not valid JSON: ${(error as Error).message}.`);
  }
  if (!isObject(parsed)) {
    return malformed('invalid_request', `A JSON-RPC message is an object; found ${describe(parsed)}.`);
  }
  const text = /[\r\n]/.test(source) ? source.replace(/[\r\n]/g, ' ') : source;
  const spans = memberSpans(text, 0, TOP);
  if (typeof spans === 'string') return malformed('invalid_request', twice(spans));
  const [idSpan, paramsSpan, resultSpan, errorSpan] = spans;
  const id = idSpan && text.slice(idSpan.start, idSpan.end);
  const invalid = (reason: string): Malformed =>
    malformed('invalid_request', reason, isId(parsed['id']) ? id : undefined);

  if (parsed['jsonrpc'] !== '2.0')
    return invalid(`"jsonrpc" must be "2.0"; found ${describe(parsed['jsonrpc'])}.`);
  const { method, params } = parsed;
  if (method === undefined) {
    const kind = 'result' in parsed ? 'result' : 'error' in parsed ? 'error' : undefined;
    if (kind === undefined)
      return invalid('A message needs "method", "result" or "error"; found none of them.');
    if (kind === 'result' && 'error' in parsed)
      return invalid('A response has "result" or "error"; found both.');
    if (kind === 'error' && !isObject(parsed['error'])) {
      return invalid(`"error" must be an object; found ${describe(parsed['error'])}.`);
    }
    const payloadSpan = resultSpan ?? errorSpan;
    if (isId(parsed['id'])) return message(kind, text, '', { id, idSpan, payloadSpan });
    if (kind === 'error') return message(kind, text, '', { payloadSpan });
    return invalid(`A result needs the "id" of its request; found ${describe(parsed['id'])}.`);
  }
  if (typeof method !== 'string') return invalid(`"method" must be a string; found ${describe(method)}.`);
  if (idSpan !== undefined && !isId(parsed['id'])) {
    return invalid(`"id" must be a string or a number; found ${describe(parsed['id'])}.`);
  }
  const kind = idSpan === undefined ? 'notification' : 'request';
  if (paramsSpan === undefined) return message(kind, text, method, { id, idSpan });
  if (!isObject(params)) return invalid(`"params" must be an object; found ${describe(params)}.`);
  const inner = memberSpans(text, paramsSpan.start, IN_PARAMS);
  if (typeof inner === 'string') return invalid(twice(`params.${inner}`));
  const [nameSpan, uriSpan, metaSpan, progressSpan, requestIdSpan] = inner;

  let target: string | undefined;
  if (nameSpan !== undefined && typeof params['name'] === 'string') target = params['name'];
  else if (uriSpan !== undefined && typeof params['uri'] === 'string') target = params['uri'];

  let tokenSpan: Span | undefined;
  if (kind === 'notification' && isId(params['progressToken'])) tokenSpan = progressSpan;
  else if (kind === 'notification' && isId(params['requestId'])) tokenSpan = requestIdSpan;
  const meta = params['_meta'];
  if (kind === 'request' && metaSpan !== undefined && isObject(meta) && isId(meta['progressToken'])) {
    const inMeta = memberSpans(text, metaSpan.start, IN_META);
    if (typeof inMeta === 'string') return invalid(twice(`params._meta.${inMeta}`));
    tokenSpan = inMeta[0];
  }
  const token = tokenSpan && text.slice(tokenSpan.start, tokenSpan.end);
  return message(kind, text, method, { id, idSpan, target, token, tokenSpan, payloadSpan: paramsSpan });
}

/** Keys whose second occurrence would make two readers disagree; the spans of the first ones are used. */
const TOP = ['id', 'params', 'result', 'error', 'method', 'jsonrpc'];
const IN_PARAMS = ['name', 'uri', '_meta', 'progressToken', 'requestId'];
const IN_META = ['progressToken'];

const twice = (key: string): string => `The key "${key}" stands there twice; a message has each key once.`;

interface Parts {
  readonly id?: string | undefined;
  readonly idSpan?: Span | undefined;
  readonly target?: string | undefined;
  readonly token?: string | undefined;
  readonly tokenSpan?: Span | undefined;
  readonly payloadSpan?: Span | undefined;
}

function message(kind: MessageKind, text: string, method: string, parts: Parts): Message {
  const { id, idSpan, target, token, tokenSpan, payloadSpan } = parts;
  return { kind, text, method, id, target, token, idSpan, tokenSpan, payloadSpan };
}

function malformed(code: Malformed['code'], reason: string, id = 'null'): Malformed {
  return { kind: 'malformed', code, reason, id };
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isId = (value: unknown): boolean => typeof value === 'string' || typeof value === 'number';

function describe(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'object') return 'an object';
  if (typeof value === 'string') return `a string (${JSON.stringify(value.slice(0, 40))})`;
  return `${value}`;
}

/**
 * The message's text with another id, and another progress token where it has one. `id` and `token` are JSON text.
 * A large message keeps its bytes: the parts are slices of them.
 */
export function rewrite(message: Message, id: string, token: string | undefined): Chunk | readonly Chunk[] {
  const { idSpan, tokenSpan } = message;
  if (token === undefined || tokenSpan === undefined)
    return idSpan ? splice(message.text, idSpan, id) : message.text;
  if (idSpan === undefined) return splice(message.text, tokenSpan, token);
  const { text } = message;
  const idFirst = idSpan.start < tokenSpan.start;
  const [first, second] = idFirst ? [idSpan, tokenSpan] : [tokenSpan, idSpan];
  const [one, two] = idFirst ? [id, token] : [token, id];
  if (typeof text === 'string') {
    return (
      text.slice(0, first.start) + one + text.slice(first.end, second.start) + two + text.slice(second.end)
    );
  }
  return [
    text.subarray(0, first.start),
    one,
    text.subarray(first.end, second.start),
    two,
    text.subarray(second.end),
  ];
}

function splice(text: Chunk, { start, end }: Span, value: string): Chunk | readonly Chunk[] {
  if (typeof text === 'string') return text.slice(0, start) + value + text.slice(end);
  return [text.subarray(0, start), value, text.subarray(end)];
}

/** `params`, `result` or `error` as it stands in the message; undefined when there is none. */
export function payloadOf({ text, payloadSpan }: Message): Chunk | undefined {
  if (payloadSpan === undefined) return undefined;
  const { start, end } = payloadSpan;
  return typeof text === 'string' ? text.slice(start, end) : text.subarray(start, end);
}

/** The same, parsed; `{}` when there is none. For the few messages that the bridge itself has to understand. */
export function parsePayload(message: Message): Record<string, unknown> {
  const payload = payloadOf(message);
  if (payload === undefined) return {};
  return JSON.parse(typeof payload === 'string' ? payload : new TextDecoder().decode(payload));
}
