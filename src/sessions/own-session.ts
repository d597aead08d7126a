/**
 * A session with a child of its own. Everything passes in both directions, the server's questions to the client
 * included: there is exactly one client who can be meant.
 */
import { type BridgeError, RPC } from '../errors.ts';
import type { Chunk } from '../http/engine.ts';
import type { Child, ChildOwner } from '../pool/child.ts';
import { idKey } from '../protocol/id-key.ts';
import type { Message } from '../protocol/message.ts';
import { capabilityFor } from '../protocol/methods.ts';
import type { ClientRequest } from './client-request.ts';
import type { Shelf } from './event-shelf.ts';
import { MAX_QUESTIONS, TOO_MANY_QUESTIONS } from './questions.ts';
import { Session, type SessionFacts } from './session.ts';

/** How long a client may take to answer; its user may have to. */
const ANSWER_MS = 600_000;

export interface OwnSessionOptions {
  readonly child: Child;
  readonly shelf: Shelf;
  /** Capabilities the client declared in `initialize`. */
  readonly capabilities: Readonly<Record<string, unknown>>;
  /** The child ended without being asked to; pending requests were answered before. */
  readonly died: (reason: BridgeError) => void;
}

export class OwnSession extends Session implements ChildOwner {
  readonly #options: OwnSessionOptions;
  /** Requests of the server that the client has not answered; their ids in one spelling. */
  readonly #asked = new Set<string>();

  constructor(facts: SessionFacts, options: OwnSessionOptions) {
    super(facts, options.shelf);
    this.#options = options;
    options.child.owner = this;
  }

  received(message: Message): void {
    // The bytes of a large message are text all the same; a client stream takes both.
    if (message.kind === 'request') this.#askClient(message);
    else {
      if (message.method === 'notifications/cancelled' && message.token !== undefined)
        this.#settled(message.token);
      this.tell(message.text);
    }
  }

  closed(reason: BridgeError): void {
    this.#options.died(reason);
  }

  protected override ask(request: ClientRequest): void {
    request.sendTo(this.#options.child.connection);
  }

  protected override notify(message: Message): void {
    this.#send(message.text);
  }

  protected override respond(message: Message): void {
    // An answer to what was not asked is dropped: a client must not speak for the server's other requests.
    if (message.id !== undefined && this.#settled(message.id)) this.#send(message.text);
  }

  protected override release(): Promise<void> {
    return this.#options.child.close();
  }

  #askClient(request: Message): void {
    const { id, method } = request;
    if (id === undefined) return;
    const outlet = this.outlet.isOpen || this.streamingRequest() !== undefined;
    if (method === 'ping' && !outlet) {
      this.#send(`{"jsonrpc":"2.0","id":${id},"result":{}}`);
      return;
    }
    const needed = capabilityFor(method);
    if (needed !== undefined && this.#options.capabilities[needed] === undefined) {
      const sentence = `The client has not declared the capability "${needed}" that ${method} needs.`;
      this.#refuse(id, RPC.methodNotFound, sentence);
      return;
    }
    if (this.#asked.size >= MAX_QUESTIONS) {
      this.#refuse(id, RPC.internal, TOO_MANY_QUESTIONS);
      return;
    }
    this.#asked.add(idKey(id));
    if (needed !== undefined) this.extend(ANSWER_MS);
    // It belongs to a call rather than to none: the answer of a call in flight comes before the GET stream.
    if (this.streamingRequest()?.delivery.event(request.text) !== true) this.tell(request.text);
  }

  /** False for what was not asked. When nothing is left to answer, the server is waited for again. */
  #settled(id: string): boolean {
    if (!this.#asked.delete(idKey(id))) return false;
    if (this.#asked.size === 0) this.extend();
    return true;
  }

  #refuse(id: string, code: number, sentence: string): void {
    this.#send(`{"jsonrpc":"2.0","id":${id},"error":{"code":${code},"message":${JSON.stringify(sentence)}}}`);
  }

  #send(text: Chunk): void {
    this.#options.child.connection.send(text);
  }
}
