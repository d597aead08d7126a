/**
 * Load by autocannon where there is no wrk: slower, and its latencies are whole milliseconds.
 */
import autocannon from 'autocannon';
import { isRight, type LoadPlan, type LoadResult } from './plan.ts';

export async function autocannonLoad(plan: LoadPlan, seconds: number): Promise<LoadResult> {
  let sample = '';
  const result = await autocannon({
    url: `http://127.0.0.1:${plan.port}`,
    connections: plan.connections,
    duration: seconds,
    timeout: 5,
    requests: plan.asks.map(({ body, headers }) => ({
      method: 'POST',
      path: plan.path,
      headers: { ...plan.headers, ...headers },
      body,
    })),
    verifyBody: (body) => {
      const right = isRight(plan.check, body);
      if (!right && sample === '') sample = body.slice(0, 200);
      return right;
    },
  });
  return {
    requests: result.requests.total,
    seconds: result.duration,
    p50Us: result.latency.p50 * 1000,
    p99Us: result.latency.p99 * 1000,
    errors: result.errors + result.mismatches + result.non2xx,
    sample,
  };
}
