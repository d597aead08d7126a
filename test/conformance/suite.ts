/**
 * Runs one line of the official conformance suite against a URL and reads what it found. What counts as a
 * failure is decided here, what is expected to fail in baseline.ts.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { cp, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, sep } from 'node:path';
import { parse } from 'yaml';

export type Era = 'legacy' | 'modern';

interface Check {
  readonly id: string;
  readonly status: 'SUCCESS' | 'FAILURE' | 'WARNING' | 'SKIPPED' | 'INFO';
  readonly errorMessage?: string;
}

export interface Finding {
  /** `scenario:check`, as the suite itself names one check in a list of expected failures. */
  readonly check: string;
  readonly message: string;
}

export interface ScenarioResult {
  readonly scenario: string;
  /** Only required scenarios decide a run. */
  readonly required: boolean;
  /** Checks that passed. */
  readonly passed: number;
  /** None: the scenario passed. */
  readonly failures: readonly Finding[];
  /** What the specification recommends and the server does not do. */
  readonly warnings: readonly Finding[];
}

/** The revision whose requirements the modern line is run for. */
const REVISION = '2026-07-28';

const PACKAGES: Record<Era, string> = {
  legacy: '@modelcontextprotocol/conformance',
  modern: '@modelcontextprotocol/conformance-next',
};
const ARGUMENTS: Record<Era, readonly string[]> = {
  legacy: ['--suite', 'active'],
  modern: ['--requirements', REVISION],
};

export interface SuiteOptions {
  readonly url: string;
  /** One scenario instead of all. */
  readonly scenario?: string | undefined;
  /** Scenarios that are required here though the suite does not score them. */
  readonly also?: readonly string[];
  readonly signal?: AbortSignal | undefined;
}

/** Every scenario that ran, in alphabetical order. Throws with the suite's last words when it did not get through. */
export async function runSuite(
  era: Era,
  { url, scenario, also = [], signal }: SuiteOptions,
): Promise<readonly ScenarioResult[]> {
  const folder = await mkdtemp(join(tmpdir(), 'mcp-bridge-conformance-'));
  try {
    const entry = await runnable(era, folder);
    const output = join(folder, 'results');
    const selection = scenario === undefined ? ARGUMENTS[era] : single(era, scenario);
    const child = spawn(process.execPath, [entry, 'server', '--url', url, '-o', output, ...selection], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(signal && { signal }),
    });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        said += text;
      });
    }
    await once(child, 'close');
    // Its exit code is 1 for a failed scenario and for a crash; only its last section tells that it got through.
    if (!said.includes(scenario === undefined ? '=== SUMMARY ===' : 'Test Results:')) {
      throw new Error(`The conformance suite did not get through. It said:\n${said.slice(-4000)}`);
    }
    return await readResults(output, await requiredScenarios(era, entry, also));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const single = (era: Era, scenario: string): readonly string[] =>
  era === 'legacy' ? ['--scenario', scenario] : ['--scenario', scenario, '--spec-version', REVISION];

/**
 * The suite's entry file. It imports `globSync`, which came with Node 22 and which no server scenario uses: where
 * it is missing, a copy without that one name is run from `folder`.
 */
async function runnable(era: Era, folder: string): Promise<string> {
  const source = packageFolder(PACKAGES[era]);
  if ('globSync' in fs) return join(source, 'dist', 'index.js');
  const copy = join(folder, 'suite');
  await cp(source, copy, { recursive: true });
  await symlink(nodeModulesOf(source), join(folder, 'node_modules'), 'dir');
  const entry = join(copy, 'dist', 'index.js');
  const code = await readFile(entry, 'utf8');
  await writeFile(entry, code.replace(/globSync as \w+,/, ''));
  return entry;
}

/** The packages give no entry that could be resolved, only a bin: look where Node would look. */
function packageFolder(name: string): string {
  const places = createRequire(import.meta.url).resolve.paths(name) ?? [];
  const found = places.map((place) => join(place, ...name.split('/'))).find((place) => fs.existsSync(place));
  if (found === undefined) throw new Error(`${name} is not installed; run npm install.`);
  return found;
}

const nodeModulesOf = (folder: string): string =>
  folder.slice(0, folder.lastIndexOf(`${sep}node_modules${sep}`) + `${sep}node_modules`.length);

/** Undefined: all that ran. */
async function requiredScenarios(
  era: Era,
  entry: string,
  also: readonly string[],
): Promise<ReadonlySet<string> | undefined> {
  if (era === 'legacy') return undefined;
  const file = join(dirname(entry), '..', 'requirements', `${REVISION}.yaml`);
  const { server } = parse(await readFile(file, 'utf8')) as { server: string[] };
  return new Set([...server, ...also]);
}

/** Each scenario left `server-<name>-<ISO time>/checks.json`, or the folder alone when it threw. */
async function readResults(
  output: string,
  required: ReadonlySet<string> | undefined,
): Promise<readonly ScenarioResult[]> {
  const results: ScenarioResult[] = [];
  const folders = fs.existsSync(output) ? await readdir(output) : [];
  for (const name of folders.sort()) {
    const scenario = name.replace(/^server-/, '').replace(/-\d{4}-\d\d-\d\dT[\d-]+Z$/, '');
    const checks = await readChecks(join(output, name, 'checks.json'));
    const found = (status: Check['status']): Finding[] =>
      checks
        .filter((check) => check.status === status)
        .map(({ id, errorMessage = '' }) => ({ check: `${scenario}:${id}`, message: errorMessage }));
    results.push({
      scenario,
      required: required?.has(scenario) ?? true,
      passed: checks.filter(({ status }) => status === 'SUCCESS').length,
      failures: found('FAILURE'),
      warnings: found('WARNING'),
    });
  }
  return results;
}

async function readChecks(file: string): Promise<readonly Check[]> {
  if (fs.existsSync(file)) return JSON.parse(await readFile(file, 'utf8')) as Check[];
  return [{ id: 'run', status: 'FAILURE', errorMessage: 'The scenario ended without a result.' }];
}
