/**
 * Light load over kept-alive connections: calls `echo` through POST /bridge, one after the other on each connection,
 * and checks every answer against its question.
 */
import { Agent, request } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import type { Target } from './rpc.ts';

export interface SteadyCalls {
  readonly answered: () => number;
  /** Lets the calls under way end; resolves with every failure, in words. */
  stop(): Promise<readonly string[]>;
}

const CONNECTIONS = 8;
const TIMEOUT_MS = 10_000;

export function startSteadyCalls({ port, token }: Target, server: string): SteadyCalls {
  const failures: string[] = [];
  let answered = 0;
  let isStopped = false;

  const call = (agent: Agent, text: string): Promise<void> =>
    new Promise((resolve) => {
      const params = { name: 'echo', arguments: { text } };
      const body = JSON.stringify({ serverPath: server, method: 'tools/call', params });
      const headers = {
        Authorization: `Bearer ${token}`,
        'Content-Type': 'application/json',
        'Content-Length': Buffer.byteLength(body),
      };
      const fail = (why: string): void => {
        failures.push(why);
        resolve();
      };
      const outgoing = request(
        { host: '127.0.0.1', port, agent, method: 'POST', path: '/bridge', headers, timeout: TIMEOUT_MS },
        (response) => {
          let heard = '';
          response.setEncoding('utf8').on('data', (part: string) => {
            heard += part;
          });
          response.once('error', (error) => fail(`answer cut: ${error.message}`));
          response.once('end', () => {
            if (response.statusCode !== 200 || !heard.includes(JSON.stringify(text))) {
              return fail(`${response.statusCode} ${heard}`);
            }
            answered++;
            resolve();
          });
        },
      );
      outgoing.once('timeout', () => outgoing.destroy(new Error('no answer in time')));
      outgoing.once('error', ({ message }) => fail(`${message}, reused: ${outgoing.reusedSocket}`));
      outgoing.end(body);
    });

  const connection = async (number: number): Promise<void> => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    for (let count = 0; !isStopped; count++) {
      await call(agent, `${number}-${count}`);
      await wait(5 + (count % 7));
    }
    agent.destroy();
  };
  const connections = Promise.all(Array.from({ length: CONNECTIONS }, (_, number) => connection(number)));

  return {
    answered: () => answered,
    async stop() {
      isStopped = true;
      await connections;
      return failures;
    },
  };
}
