/**
 * The fuzzer: a running bridge is sent what no client would send, and its server prints what no server would print. What
 * must not be: a worker that ends, an input without an end, an answer 500, a wrong answer to an honest call, memory that
 * grows. The same seed sends the same.
 */
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { TestContext } from 'node:test';
import fc from 'fast-check';
import { type Bridge, startBridge } from '../harness/bridge.ts';
import type { EngineName } from '../harness/engines.ts';
import { metricsOf, sumOf } from '../harness/expect.ts';
import { callTool, initialize, send } from '../harness/rpc.ts';
import { temporaryFolder } from '../harness/temporary-folder.ts';
import { brokenLine } from './lines.ts';
import { type Ask, wrongMessages, wrongSessions, wrongStreams } from './messages.ts';
import { type Ground, rawRequests } from './requests.ts';
import { createAsker, type Outcome, sendBytes } from './wire.ts';

export interface FuzzOptions {
  readonly engine: EngineName;
  readonly seed: number;
  /** Inputs over HTTP. */
  readonly inputs: number;
  /** Lines of the server. */
  readonly lines: number;
  readonly progress?: (sentence: string) => void;
  readonly stop?: AbortSignal;
}

export type Kind = 'requests' | 'messages' | 'sessions' | 'streams';

export interface FuzzResult {
  readonly engine: EngineName;
  readonly sent: ReadonlyMap<Kind, ReadonlyMap<Outcome, number>>;
  readonly lines: number;
  readonly honest: number;
  readonly seconds: number;
  /** What must not be, with an example each. */
  readonly faults: readonly string[];
  /** Of all workers together, after each quarter of the run. */
  readonly memoryMib: readonly number[];
}

/** How many of a hundred inputs are of which kind. */
const SHARES: readonly (readonly [kind: Kind, share: number])[] = [
  ['requests', 45],
  ['messages', 35],
  ['sessions', 12],
  ['streams', 8],
];
const ROUND = 1_000;
const LINES_AT_ONCE = 250;
const CONCURRENCY = 48;
const MAX_FAULTS = 20;
/** In the first half heaps and tables of bounded size fill; in the second nothing may grow with the inputs. */
const MAX_GROWTH_MIB = 48;
const QUARTERS = 4;

const MIB = 1_048_576;

export async function fuzz(t: Pick<TestContext, 'after'>, options: FuzzOptions): Promise<FuzzResult> {
  const { engine, seed, inputs, lines, progress = () => undefined, stop } = options;
  const folder = temporaryFolder(t);
  const script = join(folder, 'lines');
  writeFileSync(
    script,
    fc
      .sample(brokenLine, { seed, numRuns: lines })
      .map((line) => `${line.toString('base64')}\n`)
      .join(''),
  );
  const server = { command: process.execPath, args: [resolve('test/fixtures/servers/babble.mjs'), script] };
  const bridge = await startBridge(t, {
    engine,
    config: {
      servers: { target: { ...server, isolation: 'shared', instances: 1 }, own: server },
      auth: { jwt: { issuer: 'http://127.0.0.1:1', audience: 'fuzz', jwksUri: 'http://127.0.0.1:1/jwks' } },
    },
    env: {
      // A line for every piece of noise would be all that is measured.
      LOG_LEVEL: 'ERROR',
      MAX_SESSIONS: '500',
      MAX_CHILDREN: '12',
      STREAM_SESSION_TTL_MS: '4000',
      CLIENT_CACHE_TTL_MS: '4000',
      REQUEST_TIMEOUT_MS: '10000',
    },
  });
  const run = new Run(bridge, seed);
  const startedAt = performance.now();
  const rounds = Math.ceil(inputs / ROUND);
  const babbles = Math.ceil(lines / LINES_AT_ONCE);
  let babbled = 0;
  const memory: number[] = [];
  for (let round = 0; round < rounds && !stop?.aborted; round++) {
    await run.round(round, Math.min(ROUND, inputs - round * ROUND));
    for (const end = Math.ceil((babbles * (round + 1)) / rounds); babbled < end; babbled++) {
      await run.babble(Math.min(lines, (babbled + 1) * LINES_AT_ONCE));
    }
    if ((round + 1) * QUARTERS >= rounds * (memory.length + 1)) memory.push(await memoryMib(bridge));
    if ((round + 1) % 10 === 0) progress(`${engine}: ${(round + 1) * ROUND} of ${inputs} inputs`);
  }
  const growth = (memory[QUARTERS - 1] ?? 0) - (memory[QUARTERS / 2 - 1] ?? 0);
  if (memory.length === QUARTERS && growth > MAX_GROWTH_MIB)
    run.fault(`memory grew by ${growth} MiB in the second half`);
  await run.checkProcesses();
  return {
    engine,
    sent: run.sent,
    lines: Math.min(lines, babbled * LINES_AT_ONCE),
    honest: run.honest,
    seconds: (performance.now() - startedAt) / 1000,
    faults: run.faults,
    memoryMib: memory,
  };
}

class Run {
  readonly sent = new Map<Kind, Map<Outcome, number>>();
  readonly faults: string[] = [];
  honest = 0;
  readonly #bridge: Bridge;
  readonly #seed: number;

  constructor(bridge: Bridge, seed: number) {
    this.#bridge = bridge;
    this.#seed = seed;
  }

  fault(sentence: string): void {
    if (this.faults.length < MAX_FAULTS) this.faults.push(sentence);
  }

  async round(round: number, count: number): Promise<void> {
    const seed = this.#seed + round;
    const ground: Ground = { token: this.#bridge.token, sessions: await this.#sessions() };
    const counts = SHARES.map(([kind, share]) => [kind, Math.ceil((count * share) / 100)] as const);
    const asker = createAsker(this.#bridge.port, CONCURRENCY);
    const asks: Readonly<Record<Exclude<Kind, 'requests'>, fc.Arbitrary<Ask>>> = {
      messages: wrongMessages(ground),
      sessions: wrongSessions(ground),
      streams: wrongStreams(ground),
    };
    for (const [kind, numRuns] of counts) {
      if (kind === 'requests') {
        const all = fc.sample(rawRequests(ground), { seed, numRuns });
        await this.#each(all, async (bytes) => {
          const outcome = await sendBytes(this.#bridge.port, bytes);
          this.#note(kind, outcome, () => bytes.toString('latin1'));
        });
        continue;
      }
      await this.#each(fc.sample(asks[kind], { seed, numRuns }), async (ask) => {
        const { outcome, text } = await asker.ask(ask);
        this.#note(
          kind,
          outcome,
          () => `${ask.method} ${ask.path} ${JSON.stringify(ask.headers)} ${ask.body}`,
          text,
        );
      });
      await this.#checkHonest();
    }
    asker.close();
    await this.#checkHonest();
  }

  /** The server prints up to its `written`-th line, and answers right all the same. */
  async babble(written: number): Promise<void> {
    const how = `after ${written} broken lines`;
    const { content } = await callTool(this.#bridge, 'target', 'babble', { count: LINES_AT_ONCE });
    if (content[0].text !== String(written)) this.fault(`${how} the server said ${content[0].text}`);
    this.honest++;
    await this.#checkHonest();
  }

  async checkProcesses(): Promise<void> {
    const samples = await metricsOf(this.#bridge);
    const restarts = sumOf(samples, 'mcp_bridge_worker_restarts_total');
    if (restarts > 0) this.fault(`${restarts} workers ended:\n${this.#bridge.stderr().slice(-2_000)}`);
    const deaths = sumOf(samples, 'mcp_bridge_upstream_restarts_total', 'server="target"');
    if (deaths > 0) this.fault(`the server ended ${deaths} times: something that is no JSON reached it`);
    const errors = this.#bridge.lines().filter(({ level }) => level === 'error' || level === 'fatal');
    for (const line of errors.slice(0, 3)) this.fault(`logged: ${JSON.stringify(line)}`);
    if (this.#bridge.stderr() !== '') this.fault(`stderr: ${this.#bridge.stderr().slice(0, 1_000)}`);
  }

  async #sessions(): Promise<string[]> {
    const opened = await Promise.all(
      ['target', 'target', 'own'].map((name) => initialize(this.#bridge, name)),
    );
    return opened;
  }

  async #checkHonest(): Promise<void> {
    const text = `honest ${++this.honest}`;
    try {
      const { content } = await callTool(this.#bridge, 'target', 'echo', { text });
      if (content[0].text !== text) this.fault(`an honest call was answered "${content[0].text}"`);
      const { status } = await send(this.#bridge, { path: '/health' });
      if (status !== 200) this.fault(`/health answered ${status}`);
    } catch (error) {
      this.fault(`an honest call failed: ${(error as Error).message}`);
    }
  }

  async #each<T>(inputs: readonly T[], take: (input: T) => Promise<void>): Promise<void> {
    const waiting = inputs.values();
    const next = async (): Promise<void> => {
      for (const input of waiting) await take(input);
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, next));
  }

  #note(kind: Kind, outcome: Outcome, input: () => string, text = ''): void {
    const outcomes = this.sent.get(kind) ?? new Map<Outcome, number>();
    this.sent.set(kind, outcomes);
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    if (outcome === 'hung' || outcome === 500) {
      this.fault(`${kind}: ${outcome} for ${JSON.stringify(input().slice(0, 400))} ${text.slice(0, 300)}`);
    }
  }
}

async function memoryMib(bridge: Bridge): Promise<number> {
  const samples = await metricsOf(bridge);
  return Math.round(sumOf(samples, 'process_resident_memory_bytes') / MIB);
}
