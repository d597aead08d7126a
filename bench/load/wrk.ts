/**
 * Load by wrk: one run, the answers checked by the Lua script of the plan's check.
 */
import { execFile, execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type LoadPlan, type LoadResult, wireRequest } from './plan.ts';

/** What wrk may take beyond the run itself, for reading its requests and closing its connections. */
const GRACE_MS = 15_000;

/** The version of the wrk on the PATH; undefined when there is none. */
export function wrkVersion(): string | undefined {
  try {
    execFileSync('wrk', ['-v'], { stdio: 'pipe', encoding: 'utf8' });
    return 'wrk';
  } catch (error) {
    // wrk -v prints its version and ends with 1.
    const { stdout, stderr } = error as { stdout?: string; stderr?: string };
    return /^wrk (?:debian\/)?\S+/m.exec(`${stdout}\n${stderr}`)?.[0];
  }
}

/** Runs `plan` for `seconds`; `folder` takes the request file. */
export function wrkLoad(plan: LoadPlan, seconds: number, folder: string): Promise<LoadResult> {
  const file = join(folder, `requests-${plan.port}`);
  const wire = plan.asks.map((ask) => wireRequest(plan, ask));
  writeFileSync(file, wire.map((text) => `${Buffer.byteLength(text)}\n${text}`).join(''));
  const { check } = plan;
  const script = join(import.meta.dirname, 'wrk', `${check.kind}.lua`);
  const extra =
    check.kind === 'constant' ? [check.text] : check.kind === 'progress' ? [`${check.steps}`] : [];
  const threads = Math.min(2, plan.connections);
  const args = [`-t${threads}`, `-c${plan.connections}`, `-d${seconds}s`, '--timeout', '5s', '-s', script];
  args.push(`http://127.0.0.1:${plan.port}${plan.path}`, '--', file, ...extra);
  return new Promise((resolve, reject) => {
    execFile('wrk', args, { timeout: seconds * 1000 + GRACE_MS, killSignal: 'SIGKILL' }, (error, stdout) => {
      const line = stdout.split('\n').find((text) => text.startsWith('{'));
      if (error !== null || line === undefined) {
        reject(new Error(`wrk gave no numbers: ${error?.message ?? stdout}`, { cause: error }));
      } else {
        resolve(readLine(line));
      }
    });
  });
}

function readLine(line: string): LoadResult {
  const told = JSON.parse(line) as Record<'requests' | 'durationUs' | 'p50Us' | 'p99Us', number> & {
    wrong: number;
    failed: number;
    sample: string;
  };
  const { requests, durationUs, p50Us, p99Us, wrong, failed, sample } = told;
  return { requests, seconds: durationUs / 1e6, p50Us, p99Us, errors: wrong + failed, sample };
}
