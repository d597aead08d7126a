/**
 * The body of POST /bridge: read and checked, nothing decided yet.
 */
import { BridgeError } from '../errors.ts';
import { MAX_CLIENT_KEYS } from '../protocol/json-scanner.ts';
import { memberSpans } from '../protocol/json-text.ts';
import type { Message } from '../protocol/message.ts';
import { readMessage } from '../protocol/read-message.ts';

export interface BridgeCall {
  /** A configured name, a command, or a URL. */
  readonly serverPath: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** The request for the server; its params stand as they were sent. */
  readonly message: Message;
}

/** Of a command, an argument, a URL, a variable and its value, each. */
const MAX_WORD_CHARS = 8_192;
const MAX_WORDS = 256;

const KEYS = ['serverPath', 'args', 'env', 'method', 'params'];

/** Throws `invalid_request` that names the key, what was found and what is allowed. */
export function readBridgeCall(body: string): BridgeCall {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch (error) {
    throw invalid(`The body is not valid JSON: ${(error as Error).message}.`);
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw invalid(`The body must be an object with ${KEYS.join(', ')}; found ${short(parsed)}.`);
  }
  const { serverPath, args = [], env = {}, method } = parsed as Record<string, unknown>;
  const unknown = Object.keys(parsed).find((key) => !KEYS.includes(key));
  if (unknown !== undefined)
    throw invalid(`"${unknown.slice(0, 100)}" is not a key of /bridge; allowed are ${KEYS.join(', ')}.`);
  if (typeof serverPath !== 'string' || serverPath === '') {
    throw invalid(`"serverPath" must be a configured name, a command or a URL; found ${short(serverPath)}.`);
  }
  if (typeof method !== 'string' || method === '')
    throw invalid(`"method" must name a request of MCP; found ${short(method)}.`);
  if (!Array.isArray(args) || !args.every((arg) => typeof arg === 'string')) {
    throw invalid(`"args" must be a list of strings; found ${short(args)}.`);
  }
  if (typeof env !== 'object' || env === null || Array.isArray(env) || !Object.values(env).every(isString)) {
    throw invalid('"env" must be an object of strings.');
  }
  checkLengths([serverPath, ...args, ...Object.entries(env as Record<string, string>).flat()]);
  const spans = memberSpans(body, 0, KEYS);
  if (typeof spans === 'string') throw invalid(`The key "${spans}" stands there twice.`);
  const params = spans[4];
  const text = params === undefined ? '' : `,"params":${body.slice(params.start, params.end)}`;
  const message = readMessage(
    `{"jsonrpc":"2.0","id":0,"method":${JSON.stringify(method)}${text}}`,
    MAX_CLIENT_KEYS,
  );
  if (message.kind === 'malformed') throw invalid(message.reason);
  return { serverPath, args: args as string[], env: env as Record<string, string>, message };
}

/** A command line that a program takes is shorter, and patterns take their time with longer ones. */
function checkLengths(words: readonly string[]): void {
  if (words.length > MAX_WORDS)
    throw invalid(`A call has at most ${MAX_WORDS} arguments, names and values; found ${words.length}.`);
  const long = words.find(({ length }) => length > MAX_WORD_CHARS);
  if (long !== undefined)
    throw invalid(
      `"serverPath", "args" and "env" hold at most ${MAX_WORD_CHARS} characters in one place; found ${long.length}.`,
    );
}

const isString = (value: unknown): value is string => typeof value === 'string';

const invalid = (sentence: string): BridgeError => new BridgeError('invalid_request', sentence);

const short = (value: unknown): string =>
  value === undefined ? 'nothing' : JSON.stringify(value).slice(0, 100);
