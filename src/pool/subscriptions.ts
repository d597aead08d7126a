/**
 * The resources that sessions and listens of one scope have subscribed to: how many of them to each, and what the
 * servers said to it. A refusal is everybody's who waited for it, and leaves nothing counted.
 */
import type { BridgeError } from '../errors.ts';
import type { Message } from '../protocol/message.ts';

/** A server's own error, or why it could not be asked. */
export type Refusal = Message | BridgeError;

export interface SubscriptionDeps {
  /** Resolves when there is a server to tell; what is subscribed to by then it has been told. Never rejects. */
  readonly ready: () => Promise<BridgeError | undefined>;
  /** Tells all of them; never rejects. */
  readonly tell: (
    method: 'resources/subscribe' | 'resources/unsubscribe',
    uri: string,
  ) => Promise<Refusal | undefined>;
}

interface Subscription {
  count: number;
  isTold: boolean;
  outcome: Promise<Refusal | undefined>;
}

export class Subscriptions {
  readonly #deps: SubscriptionDeps;
  readonly #subscriptions = new Map<string, Subscription>();

  constructor(deps: SubscriptionDeps) {
    this.#deps = deps;
  }

  /** Those that a server has to know of. */
  get uris(): readonly string[] {
    return [...this.#subscriptions].filter(([, { isTold }]) => isTold).map(([uri]) => uri);
  }

  /** One subscriber more; resolves with the refusal where there is one. */
  add(uri: string): Promise<Refusal | undefined> {
    const known = this.#subscriptions.get(uri);
    if (known !== undefined) {
      known.count++;
      return known.outcome;
    }
    const subscription: Subscription = { count: 1, isTold: false, outcome: Promise.resolve(undefined) };
    this.#subscriptions.set(uri, subscription);
    subscription.outcome = this.#begin(uri, subscription);
    return subscription.outcome;
  }

  /** One subscriber less; resolves when the servers know, if they have to. */
  async remove(uri: string): Promise<void> {
    const subscription = this.#subscriptions.get(uri);
    if (subscription === undefined || --subscription.count > 0) return;
    this.#subscriptions.delete(uri);
    if (subscription.isTold) await this.#deps.tell('resources/unsubscribe', uri);
  }

  async #begin(uri: string, subscription: Subscription): Promise<Refusal | undefined> {
    const { ready, tell } = this.#deps;
    const isStill = (): boolean => this.#subscriptions.get(uri) === subscription;
    let refusal: Refusal | undefined = await ready();
    if (refusal === undefined && isStill()) {
      subscription.isTold = true;
      refusal = await tell('resources/subscribe', uri);
    }
    if (refusal !== undefined && isStill()) this.#subscriptions.delete(uri);
    return refusal;
  }
}
