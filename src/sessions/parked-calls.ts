/**
 * The calls to legacy servers that this worker has in hand for clients who come back with answers: starts them, and
 * finds each again by the `requestState` of a retry, once per round.
 */
import { randomBytes } from 'node:crypto';
import type { Deadlines } from '../deadline.ts';
import { BridgeError } from '../errors.ts';
import type { Child } from '../pool/child.ts';
import type { Message } from '../protocol/message.ts';
import type { ModernRequest } from '../protocol/modern-request.ts';
import { AskingCall } from './asking-call.ts';
import type { Delivery } from './delivery.ts';
import type { McpCall } from './mcp-call.ts';
import { Places } from './places.ts';
import { type CallState, callDigest, invalidState, type RequestStates } from './request-state.ts';

export interface ParkedCallsDeps {
  readonly states: RequestStates;
  readonly deadlines: Deadlines;
  /** This worker's id: whom a retry has to reach. */
  readonly worker: string;
  /** How long a call waits for its client's answers. */
  readonly parkMs: number;
  readonly wallClock?: () => number;
}

export interface NewCall {
  readonly call: McpCall;
  readonly message: Message;
  readonly request: ModernRequest;
  /** Those of the client that the child was initialised with. */
  readonly capabilities: Readonly<Record<string, unknown>>;
  readonly delivery: Delivery;
  /** Of the caller's own. */
  readonly child: Child;
  /** What it has said since it was initialised. */
  readonly early: readonly Message[];
  /** Called once, when the child may be used again. */
  readonly over: () => void;
}

const MAX_PARKED = 1_000;

export class ParkedCalls {
  readonly #deps: ParkedCallsDeps;
  readonly #parked = new Map<string, AskingCall>();
  readonly #places = new Places(MAX_PARKED, 'calls that wait for their clients');

  constructor(deps: ParkedCallsDeps) {
    this.#deps = deps;
  }

  /** Throws `at_limit`. */
  checkRoom(principal: string): void {
    this.#places.take(principal);
    this.#places.free(principal);
  }

  start({ call, message, request, capabilities, delivery, child, early, over }: NewCall): void {
    const { worker, states, deadlines, parkMs, wallClock = Date.now } = this.#deps;
    const { server } = call;
    const principal = call.principal.key;
    const digest = callDigest(message.method, request.params);
    const id = randomBytes(12).toString('base64url');
    const asking = new AskingCall({
      id,
      child,
      early,
      capabilities,
      logLevel: request.logLevel,
      parkMs,
      seal: (round) => {
        const expiresAt = wallClock() + parkMs;
        return states.seal({ worker, park: id, round, expiresAt, principal, server, digest });
      },
      parked: (parked) => {
        if (!this.#parked.has(id)) this.#places.hold(principal);
        this.#parked.set(id, parked);
        deadlines.set(parked, parkMs);
      },
      over: (ended) => {
        if (this.#parked.delete(id)) this.#places.free(principal);
        deadlines.cancel(ended);
        if (ended.isSpoilt) void child.close();
        else over();
      },
    });
    asking.start(message, delivery);
  }

  /** Throws when no call waits for this: then nothing runs, least of all the tool a second time. */
  resume(state: CallState, message: Message, { params }: ModernRequest, delivery: Delivery): void {
    const { deadlines, wallClock = Date.now } = this.#deps;
    const parked = this.#parked.get(state.park);
    const waits = parked?.isParked && state.round === parked.round && state.expiresAt > wallClock();
    if (parked === undefined || !waits) throw invalidState();
    const { inputResponses = {} } = params;
    if (typeof inputResponses !== 'object' || inputResponses === null || Array.isArray(inputResponses)) {
      throw new BridgeError('rejected_params', '"inputResponses" must be an object.');
    }
    deadlines.cancel(parked);
    parked.resume(message, delivery, inputResponses as Record<string, unknown>);
  }
}
