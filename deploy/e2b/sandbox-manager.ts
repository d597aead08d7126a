/**
 * Sandboxes that run-in-sandbox.ts has started (with --all: every sandbox of the account):
 * sandbox-manager.ts list | status ID | stop ID | cleanup [MINUTES].
 */
import { Sandbox, type SandboxInfo } from 'e2b';
import { apiKey, type Main, OURS, runCommand, table, UsageError } from './command.ts';

const COMMANDS = 'list, status ID, stop ID, cleanup [MINUTES]';
/** After so many minutes a sandbox counts as forgotten. */
const DEFAULT_MINUTES = 60;

export const manageSandboxes: Main = async (args, print) => {
  const everybodys = args.includes('--all');
  const [command = '', argument, ...rest] = args.filter((arg) => arg !== '--all');
  if (rest.length > 0) throw new UsageError(`unknown argument "${rest[0]}"; allowed: ${COMMANDS}`);
  const list = (): Promise<SandboxInfo[]> => listed(everybodys ? {} : OURS);
  switch (command) {
    case 'list':
      return print(listText(await list()));
    case 'status':
      return print(await statusText(idOf(command, argument)));
    case 'stop':
      return print(await stop(idOf(command, argument)));
    case 'cleanup': {
      const minutes = minutesOf(argument);
      return print(await cleanUp(await list(), minutes));
    }
    default:
      throw new UsageError(`unknown command "${command}"; allowed: ${COMMANDS}`);
  }
};

function idOf(command: string, argument: string | undefined): string {
  if (argument === undefined) throw new UsageError(`${command} needs the id of a sandbox; "list" shows them`);
  return argument;
}

function minutesOf(argument = `${DEFAULT_MINUTES}`): number {
  if (/^\d+$/.test(argument)) return Number(argument);
  throw new UsageError(`cleanup: found "${argument}"; allowed: a number of minutes`);
}

async function listed(metadata: Record<string, string>): Promise<SandboxInfo[]> {
  const pages = Sandbox.list({ apiKey: apiKey(), query: { metadata } });
  const all: SandboxInfo[] = [];
  while (pages.hasNext) all.push(...(await pages.nextItems()));
  return all;
}

function listText(sandboxes: readonly SandboxInfo[]): string {
  if (sandboxes.length === 0) return 'No sandbox is running.\n';
  const rows = sandboxes.map(({ sandboxId, name, templateId, state, startedAt, endAt }) => [
    ...[sandboxId, name ?? templateId, state, startedAt.toISOString(), endAt.toISOString()],
  ]);
  return table([['SANDBOX', 'TEMPLATE', 'STATE', 'STARTED', 'ENDS'], ...rows]);
}

async function statusText(id: string): Promise<string> {
  const key = { apiKey: apiKey() };
  const info = await Sandbox.getInfo(id, key);
  const usage = (await Sandbox.getMetrics(id, key)).at(-1);
  const mib = (bytes: number): string => `${Math.round(bytes / 1024 / 1024)} MiB`;
  return table([
    ['sandbox', info.sandboxId],
    ['template', info.name ?? info.templateId],
    ['state', info.state],
    ['started', info.startedAt.toISOString()],
    ['ends', info.endAt.toISOString()],
    ['CPU', `${usage ? `${usage.cpuUsedPct.toFixed(0)} % of ` : ''}${info.cpuCount}`],
    ['memory', `${usage ? `${mib(usage.memUsed)} of ` : ''}${info.memoryMB} MiB`],
    ...(usage ? [['disk', `${mib(usage.diskUsed)} of ${mib(usage.diskTotal)}`]] : []),
  ]);
}

async function stop(id: string): Promise<string> {
  const wasThere = await Sandbox.kill(id, { apiKey: apiKey() });
  if (!wasThere) throw new Error(`there is no sandbox ${id}`);
  return `Stopped ${id}.\n`;
}

/** Stops those past their end, and those that run for longer than `minutes`. */
async function cleanUp(sandboxes: readonly SandboxInfo[], minutes: number): Promise<string> {
  const now = Date.now();
  const expired = sandboxes.filter(
    ({ startedAt, endAt }) => endAt.getTime() < now || now - startedAt.getTime() > minutes * 60_000,
  );
  const said = await Promise.all(expired.map(({ sandboxId }) => stop(sandboxId)));
  return `${said.join('')}${expired.length} of ${sandboxes.length} sandboxes stopped.\n`;
}

await runCommand(import.meta.url, manageSandboxes);
