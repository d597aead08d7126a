/**
 * Load over chosen connections. The kernel decides which worker takes a connection; wrk cannot tell them apart, this
 * client can: it opens connections, asks of each whether calls on it are forwarded, and loads only one kind.
 */
import { Latencies } from './latencies.ts';
import { isRight, type LoadPlan, type LoadResult, wireRequest } from './plan.ts';
import { Wire } from './wire.ts';

/** Connections opened in the search for `plan.connections` of each kind; each falls to either worker by chance. */
const TRIES_PER_CONNECTION = 8;

export interface Sorted {
  /** Calls on these are answered by the worker that took the connection. */
  readonly owned: readonly Wire[];
  /** Calls on these make one hop. */
  readonly forwarded: readonly Wire[];
}

/** Opens `plan.connections` connections of each kind. `forwards` reads the bridge's count of forwarded requests. */
export async function sortConnections(plan: LoadPlan, forwards: () => Promise<number>): Promise<Sorted> {
  const request = firstRequest(plan);
  const owned: Wire[] = [];
  const forwarded: Wire[] = [];
  const wanted = plan.connections;
  let before = await forwards();
  for (let tries = 0; tries < wanted * TRIES_PER_CONNECTION; tries++) {
    if (owned.length === wanted && forwarded.length === wanted) return { owned, forwarded };
    const wire = await Wire.open(plan.port);
    const { status, body } = await wire.ask(request);
    if (status !== 200) throw new Error(`A call was answered with ${status}: ${body.slice(0, 200)}`);
    const after = await forwards();
    const kind = after > before ? forwarded : owned;
    before = after;
    if (kind.length < wanted) kind.push(wire);
    else wire.close();
  }
  for (const wire of [...owned, ...forwarded]) wire.close();
  throw new Error(
    `Of ${wanted * TRIES_PER_CONNECTION} connections ${forwarded.length} were forwarded and ${owned.length} not; ` +
      `${wanted} of each are needed. Perhaps there is only one worker.`,
  );
}

/** Keeps one request in flight on each of `wires` for `seconds`. */
export async function pinnedLoad(
  plan: LoadPlan,
  wires: readonly Wire[],
  seconds: number,
): Promise<LoadResult> {
  const requests = plan.asks.map((ask) => wireRequest(plan, ask));
  const latencies = new Latencies();
  /** Answers seen to be right: a text is judged once. */
  const right = new Set<string>();
  let turn = 0;
  let errors = 0;
  let sample = '';
  const started = performance.now();
  const endsAt = started + seconds * 1000;

  const drive = (wire: Wire, done: () => void): void => {
    const sentAt = performance.now();
    if (sentAt >= endsAt) {
      done();
      return;
    }
    turn = (turn + 1) % requests.length;
    wire.send(requests[turn] ?? '', (answer) => {
      const failed = answer instanceof Error;
      if (!failed && answer.status === 200 && (right.has(answer.body) || isRight(plan.check, answer.body))) {
        right.add(answer.body);
      } else {
        errors++;
        if (sample === '') sample = failed ? answer.message : answer.body.slice(0, 200);
        if (failed) {
          done();
          return;
        }
      }
      latencies.add((performance.now() - sentAt) * 1000);
      drive(wire, done);
    });
  };
  await Promise.all(wires.map((wire) => new Promise<void>((resolve) => drive(wire, resolve))));
  return {
    requests: latencies.count,
    seconds: (performance.now() - started) / 1000,
    p50Us: latencies.percentile(0.5),
    p99Us: latencies.percentile(0.99),
    errors,
    sample,
  };
}

function firstRequest(plan: LoadPlan): string {
  const [ask] = plan.asks;
  if (ask === undefined) throw new Error('A plan needs at least one request.');
  return wireRequest(plan, ask);
}
