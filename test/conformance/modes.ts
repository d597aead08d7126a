/** Which suite is run against which fixture: the four cells of client era and server era. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Baseline } from './baseline.ts';
import type { Era } from './suite.ts';

export interface Mode {
  /** The era of the suite, hence of the client. */
  readonly client: Era;
  /** The era of the fixture behind the bridge. */
  readonly server: Era;
  /** Not scored, because the suite's own server cannot pass them yet; ours can. */
  readonly also: readonly string[];
}

const HEADERS = 'http-header-validation';
const SCHEMAS = ['http-custom-header-server-validation', 'json-schema-2020-12'];

export const MODES = {
  legacy: { client: 'legacy', server: 'legacy', also: [] },
  modern: { client: 'modern', server: 'modern', also: [HEADERS, ...SCHEMAS] },
  'modern-on-legacy': { client: 'modern', server: 'legacy', also: [HEADERS] },
  'legacy-on-modern': { client: 'legacy', server: 'modern', also: [] },
} as const satisfies Record<string, Mode>;

export type ModeName = keyof typeof MODES;

export const isModeName = (name: string): name is ModeName => Object.hasOwn(MODES, name);

/** The known failures of a mode, each with its reason. */
export async function readBaseline(mode: ModeName): Promise<Baseline> {
  const file = fileURLToPath(new URL(`./baseline-${mode}.json`, import.meta.url));
  return JSON.parse(await readFile(file, 'utf8')) as Baseline;
}
