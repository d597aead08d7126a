/**
 * Whether a request of MCP 2026-07-28 is one: the envelope in `params._meta`, and the headers that have to repeat
 * what the body says. Pure; what is wrong is thrown as the error that the specification names.
 *
 * MCP 2026-07-28, "Base Protocol", "Request Metadata"; transports, "Standard Headers", "Custom Headers".
 */
import { BridgeError } from '../errors.ts';
import { isObject } from './is-object.ts';
import type { Message } from './message.ts';
import { parsePayload } from './message.ts';
import { severityOf } from './methods.ts';
import { CAPABILITIES_KEY, LOG_LEVEL_KEY, VERSION_KEY } from './modern-keys.ts';
import { textOf } from './utf8.ts';
import { MODERN_VERSIONS } from './versions.ts';

/** The headers that matter here, as they came. */
export interface ModernHeaders {
  readonly version: string | undefined;
  readonly method: string | undefined;
  readonly name: string | undefined;
}

/** What `_meta` says of the client. */
interface Envelope {
  /** What the client can be asked. */
  readonly capabilities: Readonly<Record<string, unknown>>;
  readonly logLevel: string | undefined;
}

export class ModernRequest {
  readonly capabilities: Envelope['capabilities'];
  readonly logLevel: string | undefined;
  readonly #message: Message;
  #params: Readonly<Record<string, unknown>> | undefined;

  constructor(message: Message, { capabilities, logLevel }: Envelope) {
    this.capabilities = capabilities;
    this.logLevel = logLevel;
    this.#message = message;
  }

  /** Parsed when somebody asks: most requests pass without. */
  get params(): Readonly<Record<string, unknown>> {
    this.#params ??= parsePayload(this.#message);
    return this.#params;
  }

  /** `params.requestState`: it continues a call. */
  get requestState(): unknown {
    return mayHold(this.#message.text, 'requestState') ? this.params['requestState'] : undefined;
  }
}

const METHODS = new Set([
  'server/discover',
  'completion/complete',
  'prompts/get',
  'prompts/list',
  'resources/list',
  'resources/templates/list',
  'resources/read',
  'subscriptions/listen',
  'tasks/cancel',
  'tasks/get',
  'tasks/update',
  'tools/call',
  'tools/list',
]);

/** Which member of `params` the header `Mcp-Name` repeats. */
const NAME_MEMBER: ReadonlyMap<string, string> = new Map([
  ['tools/call', 'name'],
  ['prompts/get', 'name'],
  ['resources/read', 'uri'],
  ['tasks/get', 'taskId'],
  ['tasks/update', 'taskId'],
  ['tasks/cancel', 'taskId'],
]);

/** Throws `header_mismatch`, `invalid_params`, `unsupported_version`, `unknown_method`; in the specification's order. */
export function checkModernRequest(message: Message, headers: ModernHeaders): ModernRequest {
  const meta = metaOf(message);
  checkEra(message, meta, headers);
  const request = new ModernRequest(message, readEnvelope(meta ?? {}));
  checkVersion(meta?.[VERSION_KEY], headers);
  checkNames(message, request, headers);
  if (!METHODS.has(message.method)) {
    throw new BridgeError('unknown_method', `"${message.method}" is no request of ${MODERN_VERSIONS[0]}.`);
  }
  return request;
}

type Meta = Readonly<Record<string, unknown>>;

/** The same client says the same of itself each time: the last one is not parsed again. */
let last: { readonly text: string; readonly meta: Meta } = { text: '{}', meta: {} };

function metaOf({ text, metaSpan }: Message): Meta | undefined {
  if (metaSpan === undefined) return undefined;
  const { start, end } = metaSpan;
  const json = typeof text === 'string' ? text.slice(start, end) : textOf(text.subarray(start, end));
  if (json !== last.text) last = { text: json, meta: JSON.parse(json) as Meta };
  return last.meta;
}

/** Cheap for what is certainly not there; a key may be written with escapes. */
const mayHold = (text: Message['text'], key: string): boolean =>
  typeof text !== 'string' || text.includes(key) || text.includes('\\u');

function checkEra(message: Message, meta: Meta | undefined, headers: ModernHeaders): void {
  const { version, method } = headers;
  const claim = meta?.[VERSION_KEY];
  if (!message.isModern) {
    if (message.method === 'initialize') {
      throw mismatch(
        `"initialize" belongs to the revisions before ${MODERN_VERSIONS.at(-1)}; the header MCP-Protocol-Version says ${version}`,
      );
    }
    throw envelope(VERSION_KEY, `is missing, although the header MCP-Protocol-Version says ${version}`);
  }
  if (typeof claim === 'string' && version !== undefined && version.trim() !== claim) {
    throw mismatch(`MCP-Protocol-Version says "${version}", the body says "${claim}"`);
  }
  if (method !== undefined && method.trim() !== message.method) {
    throw mismatch(`Mcp-Method says "${method}", the body says "${message.method}"`);
  }
}

function readEnvelope(meta: Meta): Envelope {
  const { [VERSION_KEY]: version, [CAPABILITIES_KEY]: capabilities, [LOG_LEVEL_KEY]: logLevel } = meta;
  if (typeof version !== 'string') throw envelope(VERSION_KEY, 'must be a string');
  if (capabilities === undefined) throw envelope(CAPABILITIES_KEY, 'is missing');
  if (!isObject(capabilities)) throw envelope(CAPABILITIES_KEY, 'must be an object');
  for (const [name, capability] of Object.entries(capabilities)) {
    if (!isObject(capability))
      throw envelope(CAPABILITIES_KEY, `must be an object of objects; found ${name}`);
  }
  if (logLevel !== undefined && severityOf(logLevel) === -1)
    throw envelope(LOG_LEVEL_KEY, 'must be a log level');
  return { capabilities, logLevel: logLevel as string | undefined };
}

function checkVersion(claim: unknown, headers: ModernHeaders): void {
  const requested = String(claim);
  if (!MODERN_VERSIONS.includes(requested)) {
    throw new BridgeError(
      'unsupported_version',
      `Protocol version "${requested}" is not served; ${MODERN_VERSIONS.join(', ')} is.`,
      {
        data: { supported: MODERN_VERSIONS, requested },
      },
    );
  }
  if (headers.version === undefined) throw mismatch('the header MCP-Protocol-Version is missing');
}

function checkNames(message: Message, request: ModernRequest, headers: ModernHeaders): void {
  if (headers.method === undefined) throw mismatch('the header Mcp-Method is missing');
  const member = NAME_MEMBER.get(message.method);
  if (member === 'name' && headers.name !== undefined && headers.name === message.target) return;
  const value = member === undefined ? undefined : request.params[member];
  if (typeof value !== 'string') return;
  if (headers.name === undefined)
    throw mismatch(`the header Mcp-Name is missing; the body's params.${member} is "${value}"`);
  if (decodeHeader(headers.name) !== value) {
    throw mismatch(`Mcp-Name says "${headers.name}", the body's params.${member} says "${value}"`);
  }
}

const BASE64_FORM = /^=\?base64\?(.*)\?=$/;

/** A header value as text; undefined when its base64 form is not canonical or not UTF-8. */
export function decodeHeader(raw: string): string | undefined {
  const value = raw.trim();
  const encoded = BASE64_FORM.exec(value)?.[1];
  if (encoded === undefined) return value;
  const bytes = Buffer.from(encoded, 'base64');
  if (bytes.toString('base64') !== encoded) return undefined;
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** The other way round. */
export function encodeHeader(value: string): string {
  const isPlain = /^[\x20-\x7e]*$/.test(value) && value.trim() === value && !BASE64_FORM.test(value);
  return isPlain ? value : `=?base64?${Buffer.from(value).toString('base64')}?=`;
}

export const mismatch = (what: string): BridgeError =>
  new BridgeError('header_mismatch', `Headers and body disagree: ${what}.`);

const envelope = (key: string, problem: string): BridgeError =>
  new BridgeError('invalid_params', `params._meta["${key}"] ${problem}.`, {
    data: { envelope: { key, problem } },
  });
