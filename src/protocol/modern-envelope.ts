/**
 * Requests for servers of MCP 2026-07-28, made from requests that were sent to the bridge: members are put into
 * their text, and everything else in it stays as it came.
 *
 * MCP 2026-07-28, "Base Protocol", "Request Metadata"; schema: RequestMetaObject.
 */
import { type Message, parsePayload } from './message.ts';
import { type Members, replaceMember, withMeta, withParam } from './message-edit.ts';
import { CAPABILITIES_KEY, CLIENT_INFO_KEY, LOG_LEVEL_KEY, VERSION_KEY } from './modern-keys.ts';
import { CLIENT_INFO, LATEST_MODERN } from './versions.ts';

export interface Envelope {
  /** What the client can be asked. */
  readonly capabilities: Members;
  /** The bridge itself when left out. */
  readonly clientInfo?: unknown;
  readonly logLevel?: string | undefined;
}

/** The `_meta` of a request in whose name somebody asks. */
export function envelopeOf({ capabilities, clientInfo = CLIENT_INFO, logLevel }: Envelope): Members {
  return {
    [VERSION_KEY]: LATEST_MODERN,
    [CAPABILITIES_KEY]: capabilities,
    [CLIENT_INFO_KEY]: clientInfo,
    ...(logLevel !== undefined && { [LOG_LEVEL_KEY]: logLevel }),
  };
}

/** The bridge asks for itself, or for somebody who said nothing of what it can do. */
export const NO_CAPABILITIES: Envelope = { capabilities: {} };

/** A legacy request in an envelope, with further members of `params` where a retry needs some. */
export const enveloped = (request: Message, envelope: Envelope, members: Members = {}): Message =>
  withMeta(request, envelopeOf(envelope), members);

/** The request with another string in `params.requestState`. */
export const withRequestState = (request: Message, state: string): Message =>
  withParam(request, 'requestState', state);

/** A result that asks for input, with another `requestState` where it has one; undefined for any other result. */
export function withCarriedState(result: string, carry: (state: string) => string): string | undefined {
  if (!result.includes('"input_required"')) return undefined;
  const { resultType, requestState } = JSON.parse(result) as Record<string, unknown>;
  if (resultType !== 'input_required') return undefined;
  if (typeof requestState !== 'string') return result;
  return replaceMember(result, 0, 'requestState', JSON.stringify(carry(requestState)));
}

/** What an `error` says of the modern revisions that its sender speaks: true when ours is among them. */
export function namesModern(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false;
  const { supported } = ((error as Record<string, unknown>)['data'] ?? {}) as Record<string, unknown>;
  return Array.isArray(supported) && supported.includes(LATEST_MODERN);
}

/** The same of a message. */
export const refusesLegacy = (answer: Message): boolean =>
  answer.kind === 'error' && namesModern(parsePayload(answer));
