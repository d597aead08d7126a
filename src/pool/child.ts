/**
 * One started server, pooled or leased: its connection, its state and whom its messages go to. For a child that
 * the bridge itself initialises, what the server said of itself.
 *
 *   starting --handshake answered--> ready --close() or its own end--> closing
 */
import type { ServerDefinition } from '../config/settings.ts';
import { now, within } from '../deadline.ts';
import { BridgeError } from '../errors.ts';
import { type Message, parsePayload } from '../protocol/message.ts';
import { envelopeOf, NO_CAPABILITIES } from '../protocol/modern-envelope.ts';
import { SERVER_INFO_KEY } from '../protocol/modern-keys.ts';
import { readMessage } from '../protocol/read-message.ts';
import { CLIENT_INFO, type Era, LATEST_LEGACY, LATEST_MODERN } from '../protocol/versions.ts';
import { Connection, type ConnectionDeps } from '../upstream/connection.ts';
import { openTransport } from '../upstream/open.ts';
import type { StdioDeps } from '../upstream/stdio.ts';

/** Whoever a child's messages and end are told to. */
export interface ChildOwner {
  received(message: Message, child: Child): void;
  closed(reason: BridgeError, child: Child): void;
}

/** Of a child that serves no one in particular, or not yet. */
export const NOBODY: ChildOwner = { received: () => undefined, closed: () => undefined };

/** The answer to `initialize` or `server/discover`, as far as the bridge looks at it. */
export interface ServerFacts {
  readonly protocolVersion: string;
  readonly capabilities: Readonly<Record<string, unknown>>;
  readonly serverInfo: unknown;
  readonly instructions?: string;
}

/** Who hears what becomes of a child, its owner aside. */
interface ChildEvents extends Pick<ConnectionDeps, 'finished' | 'queued'> {
  /** Once, after the owner was told. */
  readonly ended: (child: Child, reason: BridgeError) => void;
}

/** What all children of a worker find. */
export type ChildSurroundings = StdioDeps & Pick<ConnectionDeps, 'deadlines'>;

export type ChildDeps = ChildSurroundings & ChildEvents;

/** The places for children that the whole bridge has. */
export interface ChildPlaces {
  /** Takes one; false when there is none. */
  readonly acquireChild: () => Promise<boolean>;
  readonly releaseChild: () => void;
}

/** Of a child that leaves no trace in the metrics. */
export const UNCOUNTED: ChildEvents = {
  finished: () => undefined,
  queued: () => undefined,
  ended: () => undefined,
};

/** A server that does not answer a ping at once need not be waited for. */
const SETTLE_MS = 1_000;

export type ChildState = 'starting' | 'ready' | 'closing';

export class Child {
  readonly server: ServerDefinition;
  readonly connection: Connection;
  readonly startedAt = now();
  owner: ChildOwner;
  facts: ServerFacts | undefined;
  /** How it is spoken to; a server that knows both eras holds each process to that of its first request. */
  era: Era = 'legacy';
  #ready = false;
  #closing = false;

  constructor(server: ServerDefinition, owner: ChildOwner, deps: ChildDeps) {
    this.server = server;
    this.owner = owner;
    this.connection = new Connection(
      {
        server: server.name,
        log: deps.log,
        deadlines: deps.deadlines,
        timeoutMs: server.timeoutMs,
        maxConcurrent: server.maxConcurrent,
        finished: deps.finished,
        queued: deps.queued,
        received: (message) => this.owner.received(message, this),
        closed: (reason) => {
          this.owner.closed(reason, this);
          deps.ended(this, reason);
        },
      },
      (listener) => openTransport(server, listener, deps),
    );
  }

  get state(): ChildState {
    if (this.#closing || this.connection.isClosed) return 'closing';
    return this.#ready ? 'ready' : 'starting';
  }

  /** It answered a handshake: from now on its end is a death, not a failed start. */
  get wasReady(): boolean {
    return this.#ready;
  }

  /** Its end was asked for. */
  get isClosing(): boolean {
    return this.#closing;
  }

  markReady(): void {
    this.#ready = true;
  }

  /** What it has in hand is told `reason`, else its own end. Resolves when it is gone, processes included. */
  close(reason?: BridgeError): Promise<void> {
    this.#closing = true;
    if (reason !== undefined) this.connection.closed(reason);
    return this.connection.close();
  }

  /** Asks something on the bridge's own behalf; resolves with the result or the error, rejects with BridgeError. */
  ask(method: string, params: unknown): Promise<Message> {
    const own =
      this.era === 'modern' ? { ...(params as object), _meta: envelopeOf(NO_CAPABILITIES) } : params;
    const message = readMessage(JSON.stringify({ jsonrpc: '2.0', id: 0, method, params: own }));
    if (message.kind === 'malformed') throw new TypeError(message.reason);
    return new Promise((resolve, reject) => {
      this.connection.request(message, { answered: resolve, failed: reject, progressed: () => undefined });
    });
  }

  /** Pings pass nobody by: who stands behind the child need not know of them. */
  answerPing({ id = 'null' }: Message): void {
    this.connection.send(`{"jsonrpc":"2.0","id":${id},"result":{}}`);
  }

  /** Resolves when it has read what it was sent so far, or does not say so within a moment. Never rejects. */
  async settled(): Promise<void> {
    const late = (): Error => new Error('no answer to a ping');
    await within(this.ask('ping', undefined), SETTLE_MS, late).catch(() => undefined);
  }

  /**
   * The bridge's own handshake. A child that several clients use is told of no client capabilities, so that the
   * server asks nobody anything. MCP lifecycle, "Initialization".
   */
  async initialize(capabilities: Readonly<Record<string, unknown>>): Promise<ServerFacts> {
    const answer = await this.ask('initialize', {
      protocolVersion: LATEST_LEGACY,
      capabilities,
      clientInfo: CLIENT_INFO,
    });
    const facts: unknown = parsePayload(answer);
    if (answer.kind === 'error' || !isFacts(facts)) {
      throw new BridgeError(
        'server_start_failed',
        `Server "${this.server.name}" refused to initialize: ${short(facts)}.`,
        {
          rpc: facts,
        },
      );
    }
    this.connection.send('{"jsonrpc":"2.0","method":"notifications/initialized"}');
    this.facts = facts;
    return facts;
  }

  /** What takes the place of a handshake in MCP 2026-07-28, "Discovery". */
  async discover(): Promise<ServerFacts> {
    this.era = 'modern';
    const answer = await this.ask('server/discover', {});
    const found = parsePayload(answer);
    const { supportedVersions, capabilities, instructions, _meta } = found;
    const speaks = Array.isArray(supportedVersions) && supportedVersions.includes(LATEST_MODERN);
    if (answer.kind === 'error' || !speaks || typeof capabilities !== 'object' || capabilities === null) {
      throw new BridgeError(
        'server_start_failed',
        `Server "${this.server.name}" does not speak ${LATEST_MODERN}: ${short(found)}.`,
        { rpc: found },
      );
    }
    this.facts = {
      protocolVersion: LATEST_MODERN,
      capabilities: capabilities as Record<string, unknown>,
      serverInfo: (_meta as Record<string, unknown> | undefined)?.[SERVER_INFO_KEY],
      ...(typeof instructions === 'string' && { instructions }),
    };
    return this.facts;
  }
}

function isFacts(value: unknown): value is ServerFacts {
  if (typeof value !== 'object' || value === null) return false;
  const { protocolVersion, capabilities } = value as Partial<ServerFacts>;
  return typeof protocolVersion === 'string' && typeof capabilities === 'object' && capabilities !== null;
}

const short = (value: unknown): string => JSON.stringify(value).slice(0, 300);
