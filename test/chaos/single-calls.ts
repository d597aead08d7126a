/** Clients without a session: calls to /mcp that name none, and calls to /bridge. Checks every answer. */
import { mixed } from './questions.ts';
import { type Ground, headersOf } from './session-client.ts';
import { judgeBridge, judgeRpc } from './verdict.ts';
import { ask, keptAlive } from './wire.ts';

const MAX_IN_FLIGHT = 4;
const SERVERS = ['mine', 'shared'] as const;

export class SingleCalls {
  readonly #ground: Ground;
  readonly #name: string;
  readonly #agent = keptAlive();
  #inFlight = 0;
  #number = 0;

  constructor(ground: Ground, name: string) {
    this.#ground = ground;
    this.#name = name;
  }

  get isFree(): boolean {
    return this.#inFlight < MAX_IN_FLIGHT;
  }

  /** Never rejects. */
  async act(): Promise<void> {
    const { port, token, tally, random } = this.#ground;
    const question = mixed(`${this.#name}-${++this.#number}`, random);
    const { id, method, params } = question;
    const server = random.of(SERVERS) ?? 'shared';
    const overBridge = random.next() < 0.5;
    const body = overBridge ? { serverPath: server, method, params } : { jsonrpc: '2.0', id, method, params };
    this.#inFlight++;
    tally.requests++;
    const ending = await ask({
      port,
      method: 'POST',
      path: overBridge ? '/bridge' : `/mcp/${server}`,
      headers: headersOf(token),
      body: JSON.stringify(body),
      agent: random.next() < 0.7 ? this.#agent : undefined,
    });
    this.#inFlight--;
    const verdict = overBridge ? judgeBridge(ending, question) : judgeRpc(ending, question);
    tally.count(verdict, `${id} at ${server}, ${overBridge ? '/bridge' : 'without a session'}`);
  }

  close(): Promise<void> {
    this.#agent.destroy();
    return Promise.resolve();
  }
}
