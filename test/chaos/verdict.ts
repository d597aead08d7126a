/**
 * Judges one answer against its question, without knowing how it came: pure. An answer is right, or a failure that
 * says why, or wrong: somebody else's, twice, or not what was asked.
 */
import { eventReader } from '../harness/event-reader.ts';
import type { Ending } from './wire.ts';

export interface Question {
  /** Unique over the whole run. */
  readonly id: string;
  /** What is wrong with this result; undefined when nothing is. */
  check(result: unknown): string | undefined;
  /** Its progress token, when it has one: nobody else's progress may come along. */
  readonly progressToken?: string;
}

export type Verdict =
  | { readonly kind: 'right'; readonly result: unknown }
  /** `expected`: what faults may do to a call. Else the bridge should have known better. */
  | { readonly kind: 'failed'; readonly reason: string; readonly expected: boolean }
  | { readonly kind: 'wrong'; readonly why: string }
  | { readonly kind: 'hung' }
  | { readonly kind: 'left' };

interface Message {
  readonly id?: unknown;
  readonly method?: string;
  readonly params?: { readonly progressToken?: unknown };
  readonly result?: unknown;
  readonly error?: {
    readonly code?: number;
    readonly message?: string;
    readonly data?: { readonly code?: string };
  };
}

/** The bridge's own errors that faults explain; without a code: the 404 of a session that went with its process. */
const EXPECTED_CODES = new Set([
  'session_not_found',
  'server_start_failed',
  'server_died',
  'worker_died',
  'starting',
  'draining',
  'at_limit',
  'server_backing_off',
  'server_timeout',
]);
const EXPECTED_BREAKS = new Set(['ECONNRESET', 'ECONNREFUSED', 'EPIPE']);
const SESSION_NOT_FOUND = -32001;

/** An answer on /mcp. */
export function judgeRpc(ending: Ending, question: Question): Verdict {
  if (ending.kind !== 'answered') return judgeBreak(ending);
  const { status, headers, text } = ending;
  let messages: readonly Message[];
  try {
    messages = messagesOf(headers['content-type'] ?? '', text);
  } catch {
    return { kind: 'wrong', why: `${status} with what is no JSON: ${text.slice(0, 200)}` };
  }
  const answers = messages.filter(({ method }) => method === undefined);
  const [answer] = answers;
  if (answers.length > 1) return { kind: 'wrong', why: `${answers.length} answers to ${question.id}` };
  for (const { method, params } of messages) {
    if (method === 'notifications/progress' && params?.progressToken !== question.progressToken) {
      return { kind: 'wrong', why: `progress of ${params?.progressToken} in the answer to ${question.id}` };
    }
  }
  if (answer === undefined)
    return { kind: 'failed', reason: `${status}, ended without an answer`, expected: false };
  if (answer.error !== undefined) return judgeError(status, answer, question);
  if (answer.id !== question.id)
    return { kind: 'wrong', why: `the answer to ${answer.id} for ${question.id}` };
  return judgeResult(status, answer.result, question);
}

/** An answer of /bridge: the result itself, or the bridge's error. */
export function judgeBridge(ending: Ending, question: Question): Verdict {
  if (ending.kind !== 'answered') return judgeBreak(ending);
  const { status, text } = ending;
  let body: { readonly code?: string; readonly error?: string };
  try {
    body = JSON.parse(text);
  } catch {
    return { kind: 'wrong', why: `${status} with what is no JSON: ${text.slice(0, 200)}` };
  }
  if (status === 200) return judgeResult(status, body, question);
  return { kind: 'failed', reason: `${status} ${body.code}`, expected: EXPECTED_CODES.has(body.code ?? '') };
}

function judgeBreak(ending: Exclude<Ending, { kind: 'answered' }>): Verdict {
  if (ending.kind !== 'broken') return ending;
  return { kind: 'failed', reason: ending.reason, expected: EXPECTED_BREAKS.has(ending.reason) };
}

function judgeResult(status: number, result: unknown, { check }: Question): Verdict {
  const why = status === 200 ? check(result) : `a result with status ${status}`;
  return why === undefined ? { kind: 'right', result } : { kind: 'wrong', why };
}

function judgeError(status: number, { id, error }: Message, question: Question): Verdict {
  // Null: the bridge failed before it read the id.
  if (id !== question.id && id !== null)
    return { kind: 'wrong', why: `the error of ${id} for ${question.id}` };
  const code = error?.code === SESSION_NOT_FOUND ? 'session_not_found' : error?.data?.code;
  const reason = `${status} ${code ?? `${error?.code} ${error?.message}`}`;
  return { kind: 'failed', reason, expected: EXPECTED_CODES.has(code ?? '') };
}

function messagesOf(type: string, text: string): readonly Message[] {
  if (!type.startsWith('text/event-stream')) return [JSON.parse(text) as Message];
  const messages: Message[] = [];
  eventReader(({ data }) => data !== '' && messages.push(JSON.parse(data) as Message))(text);
  return messages;
}
