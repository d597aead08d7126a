/**
 * What a request's headers say of it: what it sends and takes (Content-Type and Accept, RFC 9110 as far as MCP uses
 * it), and the trace that it is part of.
 */
import { BridgeError } from '../errors.ts';
import type { HeaderList } from '../http/header-list.ts';
import { type Trace, traceOf } from '../protocol/trace.ts';

export interface Accepted {
  readonly json: boolean;
  readonly sse: boolean;
}

const ANYTHING: Accepted = { json: true, sse: true };
/** Clients send one of a handful of values; anything else is read each time. */
const COMMON = 'application/json, text/event-stream';

/** Throws `unsupported_media_type` for a body that does not say it is JSON. */
export function checkContentType(headers: HeaderList): void {
  const type = headers.contentType;
  if (type === 'application/json') return;
  if (type !== undefined && mediaType(type) === 'application/json') return;
  throw new BridgeError(
    'unsupported_media_type',
    `Content-Type must be application/json; found ${type === undefined ? 'none' : `"${type.slice(0, 100)}"`}.`,
  );
}

/** No Accept header means anything. */
export function readAccept(headers: HeaderList): Accepted {
  const { accept } = headers;
  if (accept === undefined || accept === '*/*' || accept === COMMON) return ANYTHING;
  const types = accept
    .split(',')
    .filter((part) => !/;\s*q=0(\.0*)?\s*(;|$)/i.test(part))
    .map(mediaType);
  const takes = (type: string): boolean =>
    types.includes('*/*') || types.includes(type) || types.includes(`${type.slice(0, type.indexOf('/'))}/*`);
  return { json: takes('application/json'), sse: takes('text/event-stream') };
}

export function notAcceptable(headers: HeaderList, needed: string): BridgeError {
  const found = (headers.accept ?? '').slice(0, 100);
  return new BridgeError('not_acceptable', `Accept must list ${needed}; found "${found}".`);
}

/** Costs nothing where there is none. */
export const traceOfHeaders = (headers: HeaderList): Trace | undefined =>
  headers.traceparent === undefined && headers.baggage === undefined ? undefined : traceOf(headers);

const mediaType = (value: string): string => (value.split(';', 1)[0] ?? '').trim().toLowerCase();
