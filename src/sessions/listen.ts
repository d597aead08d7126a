/**
 * `subscriptions/listen`: a stream of the changes that a modern client asked for, made from what the server tells
 * the bridge. MCP 2026-07-28, "Subscriptions".
 */
import { BridgeError } from '../errors.ts';
import type { ServerFacts } from '../pool/child.ts';
import type { Scope, ScopeListener } from '../pool/scope.ts';
import { type Message, parsePayload } from '../protocol/message.ts';
import { SERVER_INFO_KEY, SUBSCRIPTION_KEY } from '../protocol/modern-keys.ts';
import type { Delivery } from './delivery.ts';

/** Member of `notifications` in the request, the capability it needs, and the notification it stands for. */
const KINDS = [
  ['toolsListChanged', 'tools', 'notifications/tools/list_changed'],
  ['promptsListChanged', 'prompts', 'notifications/prompts/list_changed'],
  ['resourcesListChanged', 'resources', 'notifications/resources/list_changed'],
] as const;

export interface ListenOptions {
  /** Whose children tell of the changes. */
  readonly scope: Scope;
  readonly message: Message;
  readonly delivery: Delivery;
  readonly facts: ServerFacts;
  /** Called once, at the end of it. */
  readonly left: (listen: Listen) => void;
}

export class Listen implements ScopeListener {
  readonly #scope: Scope;
  readonly #message: Message;
  readonly #delivery: Delivery;
  readonly #facts: ServerFacts;
  readonly #methods = new Set<string>();
  readonly #uris = new Set<string>();
  readonly #subscribed: Promise<unknown>;
  readonly #honoured: Record<string, unknown>;
  readonly #left: (listen: Listen) => void;
  #isAcknowledged = false;
  #isOver = false;

  /** Throws `rejected_params` when the request does not say what it wants. */
  constructor({ scope, message, delivery, facts, left }: ListenOptions) {
    this.#scope = scope;
    this.#message = message;
    this.#delivery = delivery;
    this.#facts = facts;
    this.#left = left;
    const wanted = parsePayload(message)['notifications'];
    if (typeof wanted !== 'object' || wanted === null || Array.isArray(wanted)) {
      throw new BridgeError('rejected_params', '"subscriptions/listen" needs "notifications", an object.');
    }
    this.#honoured = this.#choose(wanted as Record<string, unknown>);
    this.#subscribed = Promise.all([...this.#uris].map((uri) => this.#subscribe(uri)));
    if (this.#isEmpty) return;
    scope.attach(this);
    delivery.reply.onAbort(() => this.#leave());
  }

  /** Resolves when the server tells what it is to tell: nothing may come before it, and nothing be missed after it. */
  async acknowledge(): Promise<void> {
    await Promise.all([this.#subscribed, this.#scope.settled()]);
    const resources = this.#uris.size > 0 ? { resourceSubscriptions: [...this.#uris] } : {};
    const params = { notifications: { ...this.#honoured, ...resources } };
    this.#event('notifications/subscriptions/acknowledged', params, undefined);
    this.#isAcknowledged = true;
    if (this.#isEmpty) this.end();
  }

  notified(message: Message): void {
    const { method, target } = message;
    const isWanted =
      method === 'notifications/resources/updated'
        ? target !== undefined && this.#uris.has(target)
        : this.#methods.has(method);
    if (!isWanted || !this.#isAcknowledged) return;
    const { _meta, ...params } = parsePayload(message);
    const { [SUBSCRIPTION_KEY]: _ofTheBridge, ...meta } = (_meta ?? {}) as Record<string, unknown>;
    this.#event(method, params, meta);
  }

  /** A new listen hears the new children. */
  replaced(): void {
    this.end();
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** The server's end of it: the request gets its result, and the client may listen again. */
  end(): void {
    if (!this.#leave()) return;
    const meta = { [SERVER_INFO_KEY]: this.#facts.serverInfo };
    const result = JSON.stringify({ resultType: 'complete', _meta: meta });
    this.#delivery.answer(`{"jsonrpc":"2.0","id":${this.#message.id},"result":${this.#tagged(result)}}`);
  }

  /** What of the wish the server can give, as it is told to the client; the resources are told of later. */
  #choose(wanted: Record<string, unknown>): Record<string, unknown> {
    const honoured: Record<string, unknown> = {};
    for (const [member, capability, method] of KINDS) {
      if (wanted[member] !== true || this.#can(capability, 'listChanged') !== true) continue;
      honoured[member] = true;
      this.#methods.add(method);
    }
    const uris = wanted['resourceSubscriptions'];
    if (Array.isArray(uris) && uris.length > 0 && this.#can('resources', 'subscribe') === true) {
      for (const uri of uris) if (typeof uri === 'string') this.#uris.add(uri);
    }
    return honoured;
  }

  /** What the server refuses is not honoured. */
  async #subscribe(uri: string): Promise<void> {
    const refusal = await this.#scope.subscribe(uri);
    if (refusal !== undefined) this.#uris.delete(uri);
  }

  #can(capability: string, feature: string): unknown {
    return (this.#facts.capabilities[capability] as Record<string, unknown> | undefined)?.[feature];
  }

  get #isEmpty(): boolean {
    return this.#methods.size + this.#uris.size === 0;
  }

  #event(method: string, params: Record<string, unknown>, meta: Record<string, unknown> | undefined): void {
    const text = JSON.stringify({ ...params, _meta: { ...meta } });
    this.#delivery.event(`{"jsonrpc":"2.0","method":"${method}","params":${this.#tagged(text)}}`);
  }

  /** With the id of the listen as it was sent, type kept; `_meta` is the last member of `json`. */
  #tagged(json: string): string {
    const isEmpty = json.endsWith('{}}');
    return `${json.slice(0, -2)}${isEmpty ? '' : ','}"${SUBSCRIPTION_KEY}":${this.#message.id}}}`;
  }

  #leave(): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    this.#left(this);
    this.#scope.detach(this);
    for (const uri of this.#uris) void this.#scope.unsubscribe(uri);
    return true;
  }
}
