/**
 * Runs the bridge in a new sandbox, asks one of its servers for its tools through it, and ends the sandbox:
 * run-in-sandbox.ts [TEMPLATE] [--server NAME] [--port N] [--keep]. With --keep the sandbox stays, and its address is
 * printed.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { CommandExitError, type CommandHandle, Sandbox } from 'e2b';
import { apiKey, type Main, OURS, runCommand, UsageError } from './command.ts';

const USAGE = 'usage: run-in-sandbox.ts [TEMPLATE] [--server NAME] [--port N] [--keep]';
/** As long as a sandbox lives at most, whatever becomes of this process. */
const LIFE_MS = 10 * 60_000;
/** Until the bridge must be ready; a first `uvx` or `npx` comes later, with the first call. */
const READY_MS = 60_000;
const STEP_MS = 250;
/** A first call may download its server. */
const CALL_MS = 120_000;

interface Options {
  readonly template: string;
  readonly server: string;
  readonly port: number;
  readonly keep: boolean;
}

function optionsOf(args: readonly string[]): Options {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        server: { type: 'string', default: 'fetch' },
        port: { type: 'string', default: '3000' },
        keep: { type: 'boolean', default: false },
      },
    });
    const [template = 'mcp-bridge-dev', extra] = positionals;
    const port = Number(values.port);
    if (extra !== undefined) throw new Error(`unknown argument "${extra}"`);
    if (!Number.isInteger(port) || port < 1 || port > 65_535) {
      throw new Error(`--port: found "${values.port}"; allowed: 1 to 65535`);
    }
    return { template, server: values.server, port, keep: values.keep };
  } catch (error) {
    throw new UsageError(`${(error as Error).message} (${USAGE})`);
  }
}

export const runInSandbox: Main = async (args, print) => {
  const { template, server, port, keep } = optionsOf(args);
  const key = apiKey();
  const token = randomBytes(24).toString('base64url');
  const sandbox = await Sandbox.create(template, { apiKey: key, timeoutMs: LIFE_MS, metadata: OURS });
  print(`Sandbox ${sandbox.sandboxId} from ${template}\n`);
  let kept = false;
  try {
    const bridge = await sandbox.commands.run('/app/startup.sh', {
      background: true,
      timeoutMs: 0,
      envs: { ACCESS_TOKEN: token, PORT: `${port}` },
    });
    await untilReady(sandbox, bridge, port);
    print('The bridge is ready.\n');
    const names = await toolNames(sandbox, { server, port, token });
    print(`Tools of ${server}: ${names.join(', ')}\n`);
    if (keep) {
      kept = true;
      // Else its output would hold this process.
      await bridge.disconnect();
      const ends = new Date(Date.now() + LIFE_MS).toISOString();
      print(`It stays until ${ends}: https://${sandbox.getHost(port)}/mcp/${server}\n`);
      print(`Authorization: Bearer ${token}\n`);
    }
  } finally {
    if (!kept) await sandbox.kill();
  }
  if (!kept) print(`Stopped ${sandbox.sandboxId}.\n`);
};

/** Rejects with the last line of the bridge when it ends instead, or with that of /ready when it takes too long. */
async function untilReady(sandbox: Sandbox, bridge: CommandHandle, port: number): Promise<void> {
  const ended = bridge.wait().then(
    () => 'the bridge has ended',
    (error: unknown) => (error instanceof CommandExitError ? error.stderr || error.stdout : String(error)),
  );
  const end = performance.now() + READY_MS;
  let said = '';
  while (performance.now() < end) {
    const answer = sandbox.commands.run(`curl -sS --fail-with-body http://127.0.0.1:${port}/ready`).then(
      () => true,
      (error: unknown) => {
        if (error instanceof CommandExitError) said = error.stdout || error.stderr;
        else throw error;
        return false;
      },
    );
    const outcome = await Promise.race([answer, ended]);
    if (outcome === true) return;
    if (typeof outcome === 'string') {
      // The race may end before curl does; nobody waits for it any more.
      answer.catch(() => undefined);
      throw new Error(`the bridge did not start: ${lastLine(outcome)}`);
    }
    await sleep(STEP_MS);
  }
  throw new Error(`the bridge was not ready within ${READY_MS / 1000} s: ${lastLine(said)}`);
}

interface Call {
  readonly server: string;
  readonly port: number;
  readonly token: string;
}

async function toolNames(sandbox: Sandbox, { server, port, token }: Call): Promise<string[]> {
  const body = JSON.stringify({ serverPath: server, method: 'tools/list', params: {} });
  // The token not on the command line of curl, which everybody in the sandbox can read.
  const command = `printf 'Authorization: Bearer %s' "$TOKEN" | curl -sS --fail-with-body -H @- \
    -H 'Content-Type: application/json' --data-binary "$BODY" http://127.0.0.1:${port}/bridge`;
  try {
    const { stdout } = await sandbox.commands.run(command, {
      envs: { TOKEN: token, BODY: body },
      timeoutMs: CALL_MS,
    });
    const { tools } = JSON.parse(stdout) as { tools: readonly { name: string }[] };
    return tools.map(({ name }) => name);
  } catch (error) {
    if (!(error instanceof CommandExitError)) throw error;
    throw new Error(`tools/list of ${server} failed: ${lastLine(error.stdout || error.stderr)}`);
  }
}

const lastLine = (text: string): string => text.trim().split('\n').at(-1) ?? '';

await runCommand(import.meta.url, runInSandbox);
