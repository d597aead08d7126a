/**
 * The worker's composition root: everything is wired here, nothing is global. Starts, serves, drains, ends.
 */
import { isDeepStrictEqual } from 'node:util';
import { Deadlines, now, pause } from './deadline.ts';
import { messageOf } from './errors.ts';
import { createGate } from './http/gate.ts';
import { createRequestRecorder } from './http/request-recorder.ts';
import { selectEngine } from './http/select-engine.ts';
import { accessOf, mayStillUse } from './http/standing.ts';
import type { Fleet } from './ipc/fleet.ts';
import type { StartMessage } from './ipc/messages.ts';
import { createLogger, flushLog } from './log.ts';
import { createMetrics } from './metrics/metrics.ts';
import { observePool } from './pool/observe.ts';
import { Pool } from './pool/pool.ts';
import { BRIDGE_VERSION } from './protocol/versions.ts';
import { createBridgeRoute } from './routes/bridge.ts';
import { createMcpRoute } from './routes/mcp.ts';
import { createDispatch } from './routes/mcp-dispatch.ts';
import { oauthMetadataRoutes } from './routes/oauth-metadata.ts';
import { operationsRoutes } from './routes/operations.ts';
import { createPlacement } from './routes/placement.ts';
import { limitRate } from './routes/rate-limit.ts';
import { createRouter } from './routes/router.ts';
import { reportServers } from './routes/server-report.ts';
import { createSseRoutes } from './routes/sse.ts';
import { EndedSessions } from './sessions/ended-sessions.ts';
import { Face } from './sessions/face.ts';
import { LegacyFace } from './sessions/legacy-face.ts';
import { ModernFace } from './sessions/modern-face.ts';
import { createPrincipalSessions } from './sessions/principal-sessions.ts';
import { RequestStates } from './sessions/request-state.ts';
import { SessionIds } from './sessions/session-id.ts';
import { SessionStore } from './sessions/store.ts';
import { ToolGates } from './sessions/tool-gates.ts';
import { ToolTables } from './sessions/tool-table.ts';
import { Relay } from './shard/relay.ts';
import { Roster } from './shard/roster.ts';
import { createTasks } from './tasks.ts';
import { createTraffic } from './traffic.ts';
import { childEnvironment } from './upstream/child-environment.ts';

const HEARTBEAT_MS = 2_000;
const DRAIN_CHECK_MS = 25;
/** For the last answers to leave their sockets. */
const LAST_ANSWERS_MS = 50;
/**
 * A rolling drain goes on until no request has come for so long: each kept-alive connection in use gets an answer
 * that closes it, and none is cut while its next request is on the way.
 */
const QUIET_MS = 1_000;
const TASK_THREADS = 2;

/** Resolves when the worker serves; from then on the fleet's orders end it. Ends the process when it cannot. */
export async function runWorker(
  fleet: Fleet,
  start: StartMessage,
  environment: NodeJS.ProcessEnv,
): Promise<void> {
  const { settings, sessionSecret, runtimeDir, port } = start;
  let current = settings;
  const log = createLogger(settings, { role: 'worker', slot: fleet.slot });
  try {
    const engine = await selectEngine(settings.httpEngine, (sentence) => {
      // The others find the same: one line says it for all.
      if (fleet.slot === 0) log.warn(sentence);
    });
    const metrics = createMetrics({
      slot: fleet.slot,
      version: BRIDGE_VERSION,
      engine: engine.name,
      onError: (error) => log.debug({ err: error }, 'process metrics could not be read'),
    });
    const deadlines = new Deadlines();
    const tasks = createTasks(TASK_THREADS);
    const roster = new Roster();
    const baseEnvironment = childEnvironment(environment);
    const pool = new Pool({ settings, fleet, metrics, log, tasks, deadlines, baseEnvironment });
    observePool(pool, metrics);
    const forwarded = { in: metrics.forwarded.child('in'), out: metrics.forwarded.child('out') };
    const relay = new Relay({ runtimeDir, id: fleet.id, forwarded: (way) => forwarded[way].add() });
    const store = new SessionStore({
      fleet,
      principals: createPrincipalSessions({
        max: settings.maxSessionsPerPrincipal,
        relay,
        roster,
        self: fleet.id,
      }),
      ttlMs: settings.sessionTtlMs,
      livesElsewhere: ({ id, server }) =>
        !ids.isOwn(id) && placement.ofSession(id, pool.definition(server)) !== undefined,
      closed: ({ facts }, reason) => {
        metrics.sessionsClosed.child(facts.server, reason).add();
        log.info({ server: facts.server, principal: facts.principal, reason }, 'session closed');
      },
    });
    metrics.sessions.collect((set) => {
      for (const { facts } of store.all()) set(1, facts.server, 'legacy');
    });
    const traffic = createTraffic({ log, record: createRequestRecorder(metrics), deadlines, id: fleet.id });
    const door = createGate(settings, { onFailure: (reason) => metrics.authFailures.child(reason).add() });
    const gate = limitRate(door, {
      max: settings.rateLimitMax,
      windowMs: settings.rateLimitWindowMs,
      relay,
      roster,
      self: fleet.id,
      log,
      refused: () => metrics.rateLimited.child().add(),
    });
    const placement = createPlacement(roster, fleet.id);
    const ids = new SessionIds(fleet.id, sessionSecret);
    const gates = new ToolGates();
    const tables = new ToolTables();
    const ended = new EndedSessions({ relay, roster, self: fleet.id }, (id) => {
      const session = store.get(id);
      if (session !== undefined) void store.end(session, 'deleted');
    });
    const legacy = new LegacyFace({ pool, store, ids, gates, tables, ended });
    const modern = new ModernFace({
      pool,
      gates,
      tables,
      states: new RequestStates(sessionSecret),
      deadlines,
      worker: fleet.id,
      parkMs: settings.sessionTtlMs,
    });
    const face = new Face({ tasks, legacy, modern });
    const isDraining = (): boolean => traffic.draining;
    const dispatch = createDispatch({ pool, face, modern, relay, placement });
    const router = createRouter({
      gate,
      context: traffic.context,
      routes: [
        createMcpRoute({ settings, gate, dispatch, streamOpened: traffic.streamOpened }),
        ...createSseRoutes({
          settings,
          gate,
          pool,
          dispatch,
          relay,
          placement,
          self: fleet.id,
          streamOpened: traffic.streamOpened,
        }),
        createBridgeRoute({
          settings: () => current,
          cwd: process.cwd(),
          gate,
          pool,
          relay,
          placement,
          tasks,
          log,
        }),
        ...oauthMetadataRoutes(gate),
        ...operationsRoutes({
          settings: () => current,
          gate,
          fleet,
          roster,
          engine: engine.name,
          isDraining,
        }),
      ],
    });

    await relay.listen();
    const listener = await engine.listen({ host: settings.host, port }, router);

    const close = async (): Promise<void> => {
      clearInterval(heartbeat);
      traffic.close();
      await store.close();
      await pool.close();
      // Calls that other workers have in hand are answered now, while their clients can still be reached.
      await relay.close();
      await pause(LAST_ANSWERS_MS);
      listener.close();
      await tasks.close();
      deadlines.close();
      metrics.close();
      await flushLog(log);
    };
    let rssBytes = 0;
    const heartbeat = setInterval(() => {
      rssBytes = residentBytes(rssBytes);
      fleet.heartbeat({ rssBytes, metrics: metrics.snapshot() });
    }, HEARTBEAT_MS);

    let learnt: Promise<void> | undefined;
    fleet.listen({
      roster(members) {
        roster.set(members);
        learnt ??= ended.learn();
      },
      answer: (topic) => (topic === 'metrics' ? metrics.snapshot() : reportServers(pool, store)),
      tryServers: (servers) => pool.tryServers(servers),
      async adopt(next) {
        for (const host of next.allowedHosts ?? []) gate.allowHost(host);
        if (!isDeepStrictEqual(accessOf(current), accessOf(next))) {
          gate.adopt(next);
          for (const session of store.all()) {
            const { principal, server } = session.facts;
            if (!mayStillUse(next, principal, server)) void store.end(session, 'revoked');
          }
          // Whoever still may listens again.
          modern.closeStreams();
        }
        await pool.adopt(next.servers);
        current = next;
      },
      async drain({ deadlineMs, rolling }) {
        if (traffic.draining) return;
        traffic.draining = true;
        listener.stopAccepting();
        store.drain();
        modern.closeStreams();
        const endsAt = now() + deadlineMs;
        const busy = (): boolean =>
          traffic.inFlight > 0 || pool.inFlight > 0 || (rolling && store.hasOwnChildren);
        let { begun } = traffic;
        let quietSince = now();
        while ((busy() || (rolling && now() - quietSince < QUIET_MS)) && now() < endsAt) {
          await pause(DRAIN_CHECK_MS);
          if (traffic.begun === begun) continue;
          begun = traffic.begun;
          quietSince = now();
        }
        await close();
        process.exit(0);
      },
      async orphaned() {
        log.fatal('the primary is gone: this worker ends');
        listener.close();
        await pool.close();
        await flushLog(log);
        process.exit(1);
      },
    });
    await learnt;
    fleet.ready(engine.name);
  } catch (error) {
    log.error({ err: error }, 'the worker could not start');
    await fleet.bootFailed(messageOf(error));
    await flushLog(log);
    process.exit(1);
  }
}

/** Of this process; as it was `before` when there is no descriptor free to read it with. */
function residentBytes(before: number): number {
  try {
    return process.memoryUsage.rss();
  } catch {
    return before;
  }
}
