/**
 * The entrance of /mcp in the worker that serves a call: reads the body and finds out which era it is of. The body
 * decides, the headers are checked against it. The HTTP side has been checked before, perhaps by another worker;
 * nothing here is forwarded again.
 */
import { asBridgeError, BridgeError } from '../errors.ts';
import type { Reply } from '../http/reply.ts';
import { sendError } from '../http/send-error.ts';
import type { Message } from '../protocol/message.ts';
import { isBatch, type Malformed, readBatch } from '../protocol/read-message.ts';
import { type Trace, traced } from '../protocol/trace.ts';
import type { Tasks } from '../tasks.ts';
import type { LegacyFace } from './legacy-face.ts';
import { isModernCall, type McpCall } from './mcp-call.ts';
import type { ModernFace } from './modern-face.ts';

export interface FaceDeps {
  readonly tasks: Tasks;
  readonly legacy: LegacyFace;
  readonly modern: ModernFace;
}

type Read = Message | Malformed | readonly (Message | Malformed)[];

export class Face {
  readonly #deps: FaceDeps;

  constructor(deps: FaceDeps) {
    this.#deps = deps;
  }

  /** Answers through `reply`, whatever happens. A large body is given away (see Tasks). */
  serve(call: McpCall, body: string | Uint8Array, reply: Reply): void {
    try {
      const served =
        call.verb === 'POST' ? this.#post(call, body, reply) : this.#deps.legacy.withSession(call, reply);
      served?.catch((error: unknown) => refuse(call, error, reply));
    } catch (error) {
      refuse(call, error, reply);
    }
  }

  #post(call: McpCall, body: string | Uint8Array, reply: Reply): Promise<void> | undefined {
    const { tasks } = this.#deps;
    const read = typeof body === 'string' && isBatch(body) ? readBatch(body) : tasks.readClientMessage(body);
    if (read instanceof Promise) return read.then((message) => this.#take(call, message, reply));
    return this.#take(call, read, reply);
  }

  #take(call: McpCall, read: Read, reply: Reply): Promise<void> | undefined {
    const { legacy, modern } = this.#deps;
    const { trace } = call;
    if (isList(read)) {
      if (read.some((each) => each.kind !== 'malformed' && each.isModern)) {
        throw new BridgeError(
          'invalid_request',
          'Revision 2026-07-28 has no batches: send one message per request.',
        );
      }
      return legacy.takeBatch(
        call,
        trace === undefined ? read : read.map((each) => follow(each, trace)),
        reply,
      );
    }
    if (read.kind === 'malformed') {
      const rpcId = read.id === 'null' && isModernCall(call) ? undefined : read.id;
      sendError(reply, new BridgeError(read.code, read.reason), { rpcId });
      return undefined;
    }
    const message = trace === undefined ? read : traced(read, trace);
    const isAnswer = message.kind === 'result' || message.kind === 'error';
    if (isAnswer || !(message.isModern || isModernCall(call))) return legacy.take(call, message, reply);
    modern.take(call, message, reply);
    return undefined;
  }
}

const follow = (each: Message | Malformed, trace: Trace): Message | Malformed =>
  each.kind === 'malformed' ? each : traced(each, trace);

const isList = (read: Read): read is readonly (Message | Malformed)[] => Array.isArray(read);

function refuse(call: McpCall, error: unknown, reply: Reply): void {
  sendError(reply, asBridgeError(error), { rpcId: isModernCall(call) ? undefined : null });
}
