/** What no bridge of any test may have written: the tokens that the test gave it. Looked for when the test is over. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type BridgeOptions, TEST_TOKEN } from './bridge.ts';

const VARIABLES = ['ACCESS_TOKEN', 'METRICS_TOKEN', 'SESSION_SECRET', 'NGROK_AUTH_TOKEN'];
/** Shorter ones are words that stand in a log for other reasons. */
const MIN_CHARS = 12;

export function secretsOf({ config, env = {} }: BridgeOptions): string[] {
  const text = typeof config === 'string' ? config : JSON.stringify(config);
  const named = [...text.matchAll(/"?token"?: ?"([^"$]+)"/g)].map(([, token = '']) => token);
  const given = VARIABLES.flatMap((name) => (env[name] ?? '').split(','));
  return [TEST_TOKEN, ...named, ...given].filter(({ length }) => length >= MIN_CHARS);
}

export function logsIn(folder: string): string {
  if (!existsSync(folder)) return '';
  return readdirSync(folder)
    .map((name) => readFileSync(join(folder, name), 'utf8'))
    .join('');
}

/** Throws with the line that tells one of them. */
export function assertUntold(told: string, secrets: readonly string[]): void {
  for (const secret of secrets) {
    if (!told.includes(secret)) continue;
    const line = told.split('\n').find((each) => each.includes(secret));
    throw new Error(`the bridge has written a secret, "${secret}": ${line?.slice(0, 500)}`);
  }
}
