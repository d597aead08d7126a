/**
 * Where a request stands in a distributed trace: headers between HTTP peers, members of `_meta` within a message.
 * What comes in one form goes out in both, so that the trace goes through the bridge whatever stands behind it.
 *
 * W3C Trace Context; W3C Baggage; MCP 2026-07-28, "Base Protocol", "Trace Context".
 */
import { type Message, parsePayload } from './message.ts';
import { withMeta } from './message-edit.ts';

export interface Trace {
  readonly traceparent?: string;
  readonly tracestate?: string;
  readonly baggage?: string;
}

const KEYS = ['traceparent', 'tracestate', 'baggage'] as const;

/** Version, trace, parent and flags; versions to come may say more. */
const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?$/;
/** W3C Baggage, section 3.3; more than Trace Context asks for. */
const MAX_CHARS = 8_192;
const PRINTABLE = /^[\t\x20-\x7e]*$/;

/** Of headers, or of members of `_meta`: what is not valid is left out. Undefined when nothing is left. */
export function traceOf(source: { readonly [Key in keyof Trace]?: unknown }): Trace | undefined {
  const [traceparent, tracestate, baggage] = KEYS.map((key) => text(source[key]));
  const isTraced = traceparent !== undefined && TRACEPARENT.test(traceparent);
  if (!isTraced && baggage === undefined) return undefined;
  return {
    ...(isTraced && { traceparent }),
    ...(isTraced && tracestate !== undefined && { tracestate }),
    ...(baggage !== undefined && { baggage }),
  };
}

/**
 * A request with the trace in its `_meta`, unless that has its own. A large message, whose text is bytes, stays as
 * it is: to write it anew would hold up the event loop.
 */
export function traced(message: Message, trace: Trace): Message {
  if (message.kind !== 'request' || typeof message.text !== 'string') return message;
  const own = metaOf(message);
  const missing: Record<string, string> = {};
  const { traceparent, tracestate, baggage } = trace;
  if (traceparent !== undefined && own['traceparent'] === undefined && own['tracestate'] === undefined) {
    missing['traceparent'] = traceparent;
    if (tracestate !== undefined) missing['tracestate'] = tracestate;
  }
  if (baggage !== undefined && own['baggage'] === undefined) missing['baggage'] = baggage;
  return Object.keys(missing).length === 0 ? message : withMeta(message, missing);
}

/** The trace of a `_meta`, as headers and as members. */
export function traceInMeta(meta: unknown): Trace | undefined {
  if (typeof meta !== 'object' || meta === null) return undefined;
  // Its own members only.
  return traceOf({ ...meta });
}

function metaOf(message: Message): Record<string, unknown> {
  const { _meta } = parsePayload(message);
  return typeof _meta === 'object' && _meta !== null ? (_meta as Record<string, unknown>) : {};
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' && value.length <= MAX_CHARS && PRINTABLE.test(value)
    ? value
    : undefined;
}
