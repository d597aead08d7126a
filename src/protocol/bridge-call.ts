/**
 * The body of POST /bridge: read and checked, nothing decided yet.
 */
import { BridgeError } from '../errors.ts';
import {
  LIST_OF_STRINGS,
  MAX_WHOLE_CHARS,
  OBJECT_OF_STRINGS,
  PLAIN,
  SHALLOW_OBJECT,
  sticky,
} from './json-patterns.ts';
import { JsonScanner, MAX_CLIENT_KEYS, MAX_DEPTH, NotJson, TooDeep } from './json-scanner.ts';
import type { Message } from './message.ts';
import { readMessage } from './read-message.ts';

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

/** As clients mostly write it, which is matched as a whole. */
const USUAL_BODY = sticky(
  String.raw`\{"serverPath":("${PLAIN}")(?:,"args":(${LIST_OF_STRINGS}))?(?:,"env":(${OBJECT_OF_STRINGS}))?,"method":("${PLAIN}")(?:,"params":(${SHALLOW_OBJECT}))?\}$`,
);

const NO_ARGS: readonly string[] = [];
const NO_ENV: Readonly<Record<string, string>> = {};

/** Throws `invalid_request` that names the key, what was found and what is allowed. */
export function readBridgeCall(body: string): BridgeCall {
  const [pathText, argsText, envText, methodText, params] = membersOf(body);
  const serverPath = pathText && parsed(pathText);
  const method = methodText && parsed(methodText);
  const args = argsText === undefined || argsText === '[]' ? NO_ARGS : parsed(argsText);
  const env = envText === undefined || envText === '{}' ? NO_ENV : parsed(envText);
  if (typeof serverPath !== 'string' || serverPath === '') {
    throw invalid(`"serverPath" must be a configured name, a command or a URL; found ${short(serverPath)}.`);
  }
  if (typeof method !== 'string' || method === '')
    throw invalid(`"method" must name a request of MCP; found ${short(method)}.`);
  if (!Array.isArray(args) || !args.every(isString)) {
    throw invalid(`"args" must be a list of strings; found ${short(args)}.`);
  }
  if (typeof env !== 'object' || env === null || Array.isArray(env) || !Object.values(env).every(isString)) {
    throw invalid('"env" must be an object of strings.');
  }
  const words = [serverPath, ...args];
  for (const [name, value] of Object.entries(env as Record<string, string>)) words.push(name, value);
  checkLengths(words);
  const text = params === undefined ? '' : `,"params":${params}`;
  const message = readMessage(`{"jsonrpc":"2.0","id":0,"method":${methodText}${text}}`, MAX_CLIENT_KEYS);
  if (message.kind === 'malformed') throw invalid(message.reason);
  return { serverPath, args: args as string[], env: env as Record<string, string>, message };
}

/** The members of the body as they are written, in the order of KEYS. */
function membersOf(body: string): readonly (string | undefined)[] {
  if (body.length <= MAX_WHOLE_CHARS) {
    USUAL_BODY.lastIndex = 0;
    const match = USUAL_BODY.exec(body);
    if (match !== null) return match.slice(1);
  }
  return anyMembersOf(body);
}

function anyMembersOf(body: string): readonly (string | undefined)[] {
  const scanner = new JsonScanner(body, MAX_CLIENT_KEYS);
  const members: (string | undefined)[] = [undefined, undefined, undefined, undefined, undefined];
  try {
    const isObject = scanner.openObject();
    if (!isObject) scanner.value(0);
    else if (!scanner.closesAtOnce()) {
      do {
        const key = scanner.key();
        const index = KEYS.indexOf(key);
        if (index === -1) {
          throw invalid(`"${key.slice(0, 100)}" is not a key of /bridge; allowed are ${KEYS.join(', ')}.`);
        }
        if (members[index] !== undefined) throw invalid(`The key "${key}" stands there twice.`);
        scanner.peek();
        const start = scanner.at;
        scanner.value(1);
        members[index] = body.slice(start, scanner.at);
      } while (scanner.more());
    }
    if (!scanner.atEnd()) throw new NotJson();
    if (!isObject) {
      throw invalid(`The body must be an object with ${KEYS.join(', ')}; found ${short(JSON.parse(body))}.`);
    }
  } catch (error) {
    throw error instanceof NotJson ? invalid(whyUnread(body, scanner, error)) : error;
  }
  return members;
}

/** In words what the scanner only knows to be wrong. */
function whyUnread(body: string, scanner: JsonScanner, fault: NotJson): string {
  if (scanner.keysLeft < 0) return `The body has more than ${MAX_CLIENT_KEYS} keys.`;
  if (fault instanceof TooDeep) return `The body is nested deeper than ${MAX_DEPTH} levels.`;
  let why = '';
  try {
    JSON.parse(body);
  } catch (error) {
    why = `: ${(error as Error).message}`;
  }
  return `The body is not valid JSON${why}.`;
}

/** Most strings hold no escape and are their own text. */
function parsed(json: string): unknown {
  return json.startsWith('"') && !json.includes('\\') ? json.slice(1, -1) : JSON.parse(json);
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
