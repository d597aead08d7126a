/** The command line: what was asked for, or what is wrong with it. Values are checked where the environment's are. */
import { parseArgs } from 'node:util';
import { type Fault, shown } from './config/fault.ts';
import type { LoadOptions } from './config/load.ts';
import { nearest } from './config/nearest.ts';

export type Command =
  | { readonly kind: 'help' }
  | { readonly kind: 'version' }
  | { readonly kind: 'faults'; readonly faults: readonly Fault[] }
  | { readonly kind: 'run' | 'check' | 'reload'; readonly tunnel: boolean; readonly options: LoadOptions };

const OPTIONS = {
  config: { type: 'string' },
  host: { type: 'string' },
  port: { type: 'string' },
  workers: { type: 'string' },
  tunnel: { type: 'boolean' },
  check: { type: 'boolean' },
  reload: { type: 'boolean' },
  version: { type: 'boolean', short: 'v' },
  help: { type: 'boolean', short: 'h' },
} as const;

export const HELP = `MCP Bridge puts stdio MCP servers behind HTTP, for production.

Usage: mcp-bridge [options] [-- COMMAND ARGS…]

  mcp-bridge                                  the servers of mcp-servers.yaml, on http://127.0.0.1:3000
  mcp-bridge -- npx -y some-mcp-server        this one stdio server at /mcp/default, no file needed

Options:
  --config FILE       server definitions (default: mcp-servers.yaml, .yml or .json here)
  --host H            address to listen on (default: 127.0.0.1; 0.0.0.0 in production)
  --port N            port to listen on (default: 3000; 0: any free one)
  --workers N|auto    number of workers (default: auto, the CPUs this process may use)
  --tunnel            open an ngrok tunnel too (needs NGROK_AUTH_TOKEN)
  --check             check configuration and environment, print what would run, and exit
  --reload            ask the bridge that runs on this port for a rolling restart
  --version, -v       print the version
  --help, -h          print this

Each option wins over the environment variable of its name; docs/configuration.md has them all.
Signals: SIGTERM and SIGINT drain, then stop (twice: at once); SIGHUP reads the configuration again;
SIGUSR2 is a rolling restart. Exit codes: 0 stopped on request, 1 failed, 78 bad configuration.
`;

/** `args` without the interpreter and the script. Never throws. */
export function parseCommandLine(args: readonly string[]): Command {
  const split = args.indexOf('--');
  const own = split === -1 ? args : args.slice(0, split);
  const command = split === -1 ? undefined : args.slice(split + 1);
  const { values, tokens } = parseArgs({ args: [...own], options: OPTIONS, strict: false, tokens: true });

  const faults = tokens.flatMap(faultOf);
  if (command?.length === 0)
    faults.push(commandLine('--', 'nothing stands after it', 'allowed: COMMAND ARGS…'));
  const { config, host } = values;
  const port = wholeNumber('--port', values.port, faults);
  const workers = values.workers === 'auto' ? 'auto' : wholeNumber('--workers', values.workers, faults);
  if (values.help === true) return { kind: 'help' };
  if (values.version === true) return { kind: 'version' };
  if (faults.length > 0) return { kind: 'faults', faults };
  return {
    kind: values.check === true ? 'check' : values.reload === true ? 'reload' : 'run',
    tunnel: values.tunnel === true,
    options: {
      ...(typeof config === 'string' && { config }),
      ...(typeof host === 'string' && { host }),
      ...(port !== undefined && { port }),
      ...(workers !== undefined && { workers }),
      ...(command !== undefined && { command }),
    },
  };
}

type Token = NonNullable<ReturnType<typeof parseArgs>['tokens']>[number];

function faultOf(token: Token): Fault[] {
  if (token.kind === 'positional') {
    return [
      commandLine(
        '',
        `unexpected ${JSON.stringify(token.value)}`,
        'the command of a stdio server stands after "--"',
      ),
    ];
  }
  if (token.kind !== 'option') return [];
  const { name, rawName, value } = token;
  const known = Object.hasOwn(OPTIONS, name) ? OPTIONS[name as keyof typeof OPTIONS] : undefined;
  if (known === undefined) {
    const meant = nearest(name, Object.keys(OPTIONS));
    return [
      commandLine(
        rawName,
        'unknown option',
        meant === undefined ? '--help lists them all' : `did you mean "--${meant}"?`,
      ),
    ];
  }
  if (known.type === 'boolean' && value !== undefined) {
    return [commandLine(rawName, shown(value), 'allowed: no value')];
  }
  // Without "=" the next option would be taken for the value.
  if (known.type === 'string' && (value === undefined || (!token.inlineValue && value.startsWith('-')))) {
    return [commandLine(rawName, shown(value), 'allowed: a value after it')];
  }
  return [];
}

function wholeNumber(key: string, value: string | boolean | undefined, faults: Fault[]): number | undefined {
  if (typeof value !== 'string') return undefined;
  if (/^\d{1,9}$/.test(value)) return Number(value);
  const allowed = key === '--workers' ? 'allowed: auto or a whole number' : 'allowed: a whole number';
  if (!value.startsWith('-')) faults.push(commandLine(key, shown(value), allowed));
  return undefined;
}

const commandLine = (key: string, found: string, allowed: string): Fault => ({
  file: 'command line',
  key,
  found,
  allowed,
});
