/**
 * Ids of events: which stream of which session, and how far its client has come.
 *
 *   <mark of the session object>.<stream>.<event>              the GET stream
 *   <mark of the session object>.<stream>.<event>.<request>    the answer to a POST; `request` is its JSON-RPC id
 *
 * The mark is another one when another worker goes on with the session, so that its streams are not mistaken for
 * those of the worker before. The request's id is there for a client who comes back to a stream that nobody knows
 * any more: its request can still be answered, with an error. MCP transports, "Resumability and Redelivery".
 */
export interface EventId {
  readonly mark: string;
  readonly stream: number;
  /** 0 before the first event. */
  readonly event: number;
  /** JSON text; undefined for the GET stream, empty where it is too long, or where there were several. */
  readonly request: string | undefined;
}

const FORM = /^([\w-]{1,16})\.(\d{1,9})\.(\d{1,15})(?:\.([\w-]{0,200}))?$/;
const MAX_REQUEST_LENGTH = 128;

/** All of an id but the event's number, in front of it and behind it. */
export function eventIdParts(mark: string, stream: number, request?: string): readonly [string, string] {
  const known = request !== undefined && request.length <= MAX_REQUEST_LENGTH ? request : '';
  const tail = request === undefined ? '' : `.${Buffer.from(known).toString('base64url')}`;
  return [`${mark}.${stream}.`, tail];
}

/** Undefined for what is no id of ours. */
export function parseEventId(text: string): EventId | undefined {
  const found = FORM.exec(text);
  if (found === null) return undefined;
  const [, mark = '', stream, event, request] = found;
  return {
    mark,
    stream: Number(stream),
    event: Number(event),
    request: request === undefined ? undefined : asJsonId(Buffer.from(request, 'base64url').toString()),
  };
}

/** It comes from outside and goes into a message: only a JSON-RPC id may pass. */
function asJsonId(text: string): string {
  try {
    const value: unknown = JSON.parse(text);
    const isId = typeof value === 'string' || typeof value === 'number';
    return isId && text.trim() === text ? text : '';
  } catch {
    return '';
  }
}
