/** The clients of a run and the clock that makes them act, so many times a second and never more at once than a bound. */
import type { Profile } from './servers.ts';
import { type Ground, SessionClient } from './session-client.ts';
import { SingleCalls } from './single-calls.ts';

export interface Load {
  /** Commit a client's fault; `victim` in [0, 1) says whose. False when there was nobody to commit it. */
  leaveInMidCall(victim: number): boolean;
  leaveWhileOpening(victim: number): boolean;
  abandon(victim: number): boolean;
  /** Stops asking, waits for what is in flight, ends the sessions. */
  stop(): Promise<void>;
}

const TICK_MS = 10;
const MAX_IN_FLIGHT = 200;
const SINGLE_CALLERS = 6;
/** A stalled generator must not make up for it in one burst. */
const MAX_BURST_MS = 100;
const TRIES = 4;

export function startLoad(ground: Ground, profiles: readonly Profile[], rate: number): Load {
  const sessions = profiles.flatMap((profile) =>
    Array.from(
      { length: profile.sessions },
      (_, i) => new SessionClient(ground, profile, `${profile.server}${i}`),
    ),
  );
  const singles = Array.from({ length: SINGLE_CALLERS }, (_, i) => new SingleCalls(ground, `single${i}`));
  const clients = [...sessions, ...singles];
  const inFlight = new Set<Promise<void>>();
  const { random, tally } = ground;

  const actOnce = (): void => {
    for (let tried = 0; tried < TRIES && inFlight.size < MAX_IN_FLIGHT; tried++) {
      const client = random.of(clients);
      if (client === undefined || !client.isFree) continue;
      const acting = client.act().finally(() => inFlight.delete(acting));
      inFlight.add(acting);
      return;
    }
    tally.heldBack++;
  };

  let due = 0;
  let lastAt = performance.now();
  const ticker = setInterval(() => {
    const nowAt = performance.now();
    due += (Math.min(MAX_BURST_MS, nowAt - lastAt) * rate) / 1000;
    lastAt = nowAt;
    for (; due >= 1; due--) actOnce();
  }, TICK_MS);

  /** The first from the drawn one on that can. */
  const from = (victim: number, commit: (client: SessionClient) => boolean): boolean => {
    const start = Math.floor(victim * sessions.length);
    return [...sessions.slice(start), ...sessions.slice(0, start)].some(commit);
  };

  return {
    leaveInMidCall: (victim) => from(victim, (client) => client.leaveInMidCall()),
    abandon: (victim) => from(victim, (client) => client.abandon()),
    leaveWhileOpening: (victim) =>
      from(victim, (client) => {
        client.leaveWhileOpening();
        return true;
      }),
    async stop() {
      clearInterval(ticker);
      await Promise.all(inFlight);
      await Promise.all(clients.map((client) => client.close()));
    },
  };
}
