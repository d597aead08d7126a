/**
 * The one `subscriptions/listen` that the bridge holds open at a child of the modern era, for all who want to hear
 * of changes. When they want something else, the new listen is acknowledged before the old one is cancelled, so that
 * nothing is missed, and what both tell is told once.
 *
 *   (none) --want--> opening --acknowledged--> current        want --> opening beside current --> current
 *
 * MCP 2026-07-28, "Subscriptions".
 */
import { pause } from '../deadline.ts';
import { RPC } from '../errors.ts';
import { type Message, parsePayload } from '../protocol/message.ts';
import { envelopeOf, NO_CAPABILITIES } from '../protocol/modern-envelope.ts';
import { SUBSCRIPTION_KEY } from '../protocol/modern-keys.ts';
import { readMessage } from '../protocol/read-message.ts';
import type { Child } from './child.ts';

/** How long those who subscribe wait for a server that does not acknowledge. */
const PATIENCE_MS = 2_000;
/** A server that ended the listen may take it again, but not in a tight loop. */
const AGAIN_MS = 1_000;

const LISTS = [
  ['toolsListChanged', 'tools'],
  ['promptsListChanged', 'prompts'],
  ['resourcesListChanged', 'resources'],
] as const;

export class UpstreamListen {
  readonly #child: Child;
  #uris: readonly string[] = [];
  #wanted = '{}';
  #current: number | undefined;
  /** What the server said it would tell of; undefined where it has not said. */
  #agreed: readonly unknown[] | undefined;
  #opening: { readonly id: number; readonly acknowledged: () => void } | undefined;
  #settled: Promise<void> = Promise.resolve();
  #isOff = false;

  constructor(child: Child) {
    this.#child = child;
  }

  /** Listens to changes of lists and of these resources, as far as the server offers it. */
  want(uris: readonly string[]): void {
    this.#uris = uris;
    const wanted = JSON.stringify(this.#choose(uris));
    if (wanted === this.#wanted || this.#isOff || this.#child.state === 'closing') return;
    this.#wanted = wanted;
    this.#leaveOpening();
    if (wanted === '{}') this.#leaveCurrent();
    else this.#settled = Promise.race([this.#open(wanted), pause(PATIENCE_MS)]);
  }

  /** Resolves when the server has acknowledged what was wanted last, or is not going to. */
  get settled(): Promise<void> {
    return this.#settled;
  }

  /** Whether the server tells of changes of this resource, as far as it has said. */
  honours(uri: string): boolean {
    return this.#agreed?.includes(uri) !== false;
  }

  /** Whether a notification of the child is news for those who listen. */
  hears(message: Message): boolean {
    if (message.method === 'notifications/cancelled') {
      this.#ended(Number(message.token), true);
      return false;
    }
    const { _meta, notifications } = parsePayload(message);
    const id = (_meta as Record<string, unknown> | undefined)?.[SUBSCRIPTION_KEY];
    if (message.method !== 'notifications/subscriptions/acknowledged') return id === this.#current;
    if (this.#opening === undefined || id !== this.#opening.id) return false;
    const { id: next, acknowledged } = this.#opening;
    this.#opening = undefined;
    this.#leaveCurrent();
    this.#current = next;
    const { resourceSubscriptions } = (notifications ?? {}) as Record<string, unknown>;
    this.#agreed = Array.isArray(resourceSubscriptions) ? resourceSubscriptions : undefined;
    acknowledged();
    return false;
  }

  #choose(uris: readonly string[]): Record<string, unknown> {
    const capabilities = (this.#child.facts?.capabilities ?? {}) as Record<string, Record<string, unknown>>;
    const chosen: Record<string, unknown> = {};
    for (const [member, capability] of LISTS) {
      if (capabilities[capability]?.['listChanged'] === true) chosen[member] = true;
    }
    if (uris.length > 0 && capabilities['resources']?.['subscribe'] === true)
      chosen['resourceSubscriptions'] = uris;
    return chosen;
  }

  #open(notifications: string): Promise<void> {
    const meta = JSON.stringify(envelopeOf(NO_CAPABILITIES));
    const message = readMessage(
      `{"jsonrpc":"2.0","id":0,"method":"subscriptions/listen","params":{"_meta":${meta},"notifications":${notifications}}}`,
    );
    if (message.kind === 'malformed') throw new TypeError(message.reason);
    return new Promise((resolve) => {
      const id = this.#child.connection.subscribe(message, {
        answered: (answer) => this.#ended(id, !isRefusal(answer)),
        failed: () => this.#ended(id, false),
        progressed: () => undefined,
      });
      this.#opening = { id, acknowledged: resolve };
    });
  }

  /** A listen is over. One that the server does not know is not asked for again, whatever it declares. */
  #ended(id: number, again: boolean): void {
    if (id !== this.#current && id !== this.#opening?.id) return;
    if (id === this.#current) this.#current = undefined;
    else {
      this.#opening?.acknowledged();
      this.#opening = undefined;
    }
    this.#wanted = '{}';
    this.#isOff = !again;
    if (again) void pause(AGAIN_MS).then(() => this.want(this.#uris));
  }

  #leaveCurrent(): void {
    if (this.#current !== undefined) this.#child.connection.cancel(this.#current, 'another listen follows');
    this.#current = undefined;
  }

  #leaveOpening(): void {
    if (this.#opening === undefined) return;
    const { id, acknowledged } = this.#opening;
    this.#opening = undefined;
    this.#child.connection.cancel(id, 'another listen follows');
    acknowledged();
  }
}

/** Any other error may be that of the way to it: a remote server's stream breaks now and then. */
const isRefusal = (answer: Message): boolean =>
  answer.kind === 'error' && parsePayload(answer)['code'] === RPC.methodNotFound;
