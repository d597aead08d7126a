/** The servers behind the bridge of a long run, and how the load talks to each. */
import { resolve } from 'node:path';
import { echo, misbehave } from '../harness/servers.ts';
import { MARK_VARIABLE } from './processes.ts';

export interface Profile {
  readonly server: string;
  /** Sessions kept open by the load. */
  readonly sessions: number;
  /** The fixture: what its tools answer. */
  readonly speaks: 'echo' | 'pid' | 'ok';
  /** Its sessions live in no process and must survive the loss of any. */
  readonly survives: boolean;
}

const profile = (server: string, sessions: number, more: Partial<Profile> = {}): Profile => ({
  server,
  sessions,
  speaks: 'echo',
  survives: false,
  ...more,
});

export const CHAOS_PROFILES: readonly Profile[] = [
  profile('own', 6),
  profile('mine', 6),
  profile('shared', 12, { survives: true }),
  profile('stubborn', 2, { speaks: 'ok' }),
  profile('forking', 2, { speaks: 'pid' }),
  profile('flaky', 2),
];

/** Without those that fail by themselves: a soak looks for what grows. */
export const SOAK_PROFILES: readonly Profile[] = CHAOS_PROFILES.filter(({ server }) => server !== 'flaky');

/**
 * The text of `mcp-servers.yaml` (JSON is YAML). `mark` is found in the environment of every child, and of
 * everything that it starts; with another `generation` the definitions of `own` and `shared` are changed ones.
 */
export function serversFile(mark: string, generation: number): string {
  const env = { [MARK_VARIABLE]: mark };
  const changing = { ...env, GENERATION: String(generation) };
  return JSON.stringify({
    servers: {
      own: { ...echo(), env: changing },
      mine: { ...echo(), env, isolation: 'principal' },
      shared: { ...echo(), env: changing, isolation: 'shared' },
      stubborn: { ...misbehave('stubborn'), env },
      forking: { ...misbehave('grandchild'), env },
      flaky: { command: process.execPath, args: [resolve('test/chaos/flaky-start.mjs')], env },
    },
  });
}
