/**
 * `initialize`: from the client's request to an open session. A server that gives each session a child of its own
 * gets the client's request as it is; for a shared child the bridge answers with what the child told it.
 *
 * MCP lifecycle, "Initialization", "Version Negotiation".
 */
import { asBridgeError, BridgeError } from '../errors.ts';
import { type Child, NOBODY, type ServerFacts } from '../pool/child.ts';
import type { Scope } from '../pool/scope.ts';
import type { ServerPool } from '../pool/server-pool.ts';
import { type Message, parsePayload } from '../protocol/message.ts';
import { withParam } from '../protocol/message-edit.ts';
import { refusesLegacy } from '../protocol/modern-envelope.ts';
import type { ToolGate } from '../protocol/tool-gate.ts';
import { LATEST_LEGACY, LATEST_MODERN, LEGACY_VERSIONS } from '../protocol/versions.ts';
import { ClientRequest } from './client-request.ts';
import type { Delivery } from './delivery.ts';
import { OwnSession } from './own-session.ts';
import { PooledSession } from './pooled-session.ts';
import type { Session } from './session.ts';
import type { SessionIds } from './session-id.ts';
import type { SessionStore } from './store.ts';
import type { ToolTables } from './tool-table.ts';
import { TranslatedSession } from './translated-session.ts';

export interface OpeningDeps {
  readonly store: SessionStore;
  readonly ids: SessionIds;
  readonly tables: ToolTables;
}

export interface Opening {
  readonly message: Message;
  readonly delivery: Delivery;
  readonly principal: string;
  readonly tools: ToolGate;
  /**
   * Asked when a place is reserved, and the answer used in the same turn: what was configured when the request came
   * may have been replaced since. Throws `unknown_server`.
   */
  readonly target: () => Target;
}

export interface Target {
  readonly pool: ServerPool;
  /** Left out: the session gets a child of its own. */
  readonly scope?: Scope;
}

/** What a client says of itself in `initialize`, as far as the bridge looks at it. */
interface ClientFacts {
  readonly protocolVersion: string;
  readonly capabilities: Readonly<Record<string, unknown>>;
  readonly clientInfo: unknown;
}

/** Answers through `opening.delivery`, whatever happens; never rejects. */
export async function openSession(opening: Opening, deps: OpeningDeps): Promise<void> {
  const { message, delivery } = opening;
  try {
    const client = clientFacts(message);
    // Where another worker could open it, the request would be there.
    if (deps.store.isDraining) {
      throw new BridgeError('draining', 'The bridge is stopping; open the session when it is back.');
    }
    await deps.store.reserve(opening.principal);
    try {
      const { pool, scope } = opening.target();
      if (scope === undefined) await openOwn(opening, client, pool, deps);
      else await openPooled(opening, client, { pool, scope }, deps);
    } catch (error) {
      deps.store.cancelReservation(opening.principal);
      throw error;
    }
  } catch (error) {
    delivery.fail(message.id, asBridgeError(error));
  }
}

async function openPooled(
  opening: Opening,
  client: ClientFacts,
  { pool, scope }: Required<Target>,
  deps: OpeningDeps,
): Promise<void> {
  const { message, delivery, principal } = opening;
  const server = await scope.facts();
  if (server.protocolVersion === LATEST_MODERN) {
    openTranslated(opening, client, { server, scope, isOwn: false, name: pool.server.name }, deps);
    return;
  }
  const version = negotiate(client);
  const name = pool.server.name;
  const id =
    pool.server.isolation === 'shared'
      ? deps.ids.mintResumable({ version, server: name, principal })
      : deps.ids.mint();
  const session = new PooledSession({ id, server: name, principal, version }, scope, deps.store.shelf);
  adopt(session, delivery, deps.store);
  const { tasks: _tasks, ...capabilities } = server.capabilities;
  const result = JSON.stringify({ ...server, protocolVersion: version, capabilities });
  delivery.answer(`{"jsonrpc":"2.0","id":${message.id},"result":${result}}`);
}

interface ModernServer {
  readonly server: ServerFacts;
  readonly scope: Scope;
  readonly isOwn: boolean;
  /** As configured. */
  readonly name: string;
}

/** A session with a server that knows none: what `server/discover` told is the answer. */
function openTranslated(
  { message, delivery, principal }: Opening,
  client: ClientFacts,
  { server, scope, isOwn, name }: ModernServer,
  { store, ids, tables }: OpeningDeps,
): void {
  const version = negotiate(client);
  const { extensions: _extensions, ...serverCapabilities } = server.capabilities;
  const { tasks: _tasks, ...capabilities } = client.capabilities;
  const session = new TranslatedSession(
    { id: ids.mint(), server: name, principal, version },
    {
      scope,
      shelf: store.shelf,
      isOwn,
      tools: tables.of(scope),
      capabilities,
      clientInfo: client.clientInfo,
      serverCapabilities,
    },
  );
  adopt(session, delivery, store);
  const { serverInfo = { name, version: 'unknown' }, instructions } = server;
  const result = JSON.stringify({
    protocolVersion: version,
    capabilities: serverCapabilities,
    serverInfo,
    instructions,
  });
  delivery.answer(`{"jsonrpc":"2.0","id":${message.id},"result":${result}}`);
}

/** A server of the modern era, found out now or before, and children of it for this session alone. */
async function openOwnTranslated(
  opening: Opening,
  client: ClientFacts,
  pool: ServerPool,
  deps: OpeningDeps,
): Promise<void> {
  const scope = pool.ownScope();
  try {
    const server = await scope.facts();
    openTranslated(opening, client, { server, scope, isOwn: true, name: pool.server.name }, deps);
  } catch (error) {
    void scope.close();
    throw error;
  }
}

async function openOwn(
  opening: Opening,
  client: ClientFacts,
  pool: ServerPool,
  deps: OpeningDeps,
): Promise<void> {
  if (pool.isModernOnly) return openOwnTranslated(opening, client, pool, deps);
  const { message, delivery, principal, tools } = opening;
  // Until a session exists; the end of its child is told by the request itself.
  const child = await pool.lease(NOBODY);
  const answer = await forward(inKnownVersion(message, client), child).catch((error: unknown) => {
    pool.notStarted(child, asBridgeError(error));
    throw error;
  });
  if (refusesLegacy(answer)) {
    pool.refusedLegacy(child);
    return openOwnTranslated(opening, client, pool, deps);
  }
  const negotiated = answer.kind === 'result' ? parsePayload(answer)['protocolVersion'] : undefined;
  const request = new ClientRequest(message, delivery, tools);
  if (typeof negotiated !== 'string') {
    if (answer.kind === 'result') {
      const error = new BridgeError(
        'server_error',
        `Server "${pool.server.name}" answered "initialize" without a protocolVersion.`,
      );
      pool.notStarted(child, error);
      throw error;
    }
    pool.refused(child);
    deps.store.cancelReservation(principal);
    request.answered(answer);
    return;
  }
  pool.started(child);
  const id = deps.ids.mint();
  const session: OwnSession = new OwnSession(
    { id, server: pool.server.name, principal, version: negotiated },
    {
      child,
      shelf: deps.store.shelf,
      capabilities: client.capabilities,
      died: (reason) => void deps.store.end(session, 'server_died', reason),
    },
  );
  adopt(session, delivery, deps.store);
  request.answered(answer);
}

/** Rejects with BridgeError when the child cannot be asked or does not answer. */
function forward(message: Message, child: Child): Promise<Message> {
  return new Promise<Message>((resolve, reject) => {
    child.connection.request(message, { answered: resolve, failed: reject, progressed: () => undefined });
  });
}

function adopt(session: Session, delivery: Delivery, store: SessionStore): void {
  store.add(session);
  delivery.addHeaders([['Mcp-Session-Id', session.facts.id]]);
  // Nobody would ever use, nor end, a session whose client left before it learnt the id.
  if (delivery.reply.state === 'done') void store.end(session, 'abandoned');
}

/** MCP lifecycle, "Version Negotiation". */
const negotiate = ({ protocolVersion }: ClientFacts): string =>
  LEGACY_VERSIONS.includes(protocolVersion) ? protocolVersion : LATEST_LEGACY;

/** What is offered to a server is spoken here too: one that takes any revision at its word must not hold the bridge to it. */
const inKnownVersion = (message: Message, client: ClientFacts): Message =>
  negotiate(client) === client.protocolVersion
    ? message
    : withParam(message, 'protocolVersion', negotiate(client));

function clientFacts(message: Message): ClientFacts {
  const { protocolVersion, capabilities, clientInfo } = parsePayload(message);
  if (typeof protocolVersion !== 'string') {
    throw new BridgeError(
      'invalid_params',
      `"initialize" needs "protocolVersion", a string; found ${JSON.stringify(protocolVersion)}.`,
    );
  }
  if (typeof capabilities !== 'object' || capabilities === null) {
    throw new BridgeError(
      'invalid_params',
      `"initialize" needs "capabilities", an object; found ${JSON.stringify(capabilities)}.`,
    );
  }
  return { protocolVersion, capabilities: capabilities as Record<string, unknown>, clientInfo };
}
