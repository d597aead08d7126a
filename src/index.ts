#!/usr/bin/env node
/**
 * The entry of every process of the bridge: finds out which one this is, and goes. The only reader of the
 * environment, and the only place that ends a process in words.
 */
import { fileURLToPath } from 'node:url';
import { HELP, parseCommandLine } from './cli.ts';
import { describe } from './config/describe.ts';
import { type Fault, renderFault } from './config/fault.ts';
import { type Loaded, type LoadOptions, load } from './config/load.ts';
import { pause } from './deadline.ts';
import { isPm2Instance } from './pm2/is-pm2-instance.ts';
import { BRIDGE_VERSION } from './protocol/versions.ts';
import { EXIT_CONFIG, EXIT_FAILED, StartError } from './supervisor/start-error.ts';

const LAST_WORDS_MS = 1_000;
/** What runs TypeScript, where that is run. Nothing else: a guardian has no use for an inspector or somebody's hooks. */
const sourceOptions = import.meta.url.endsWith('.ts') ? process.execArgv : [];

async function main(): Promise<number> {
  const command = parseCommandLine(process.argv.slice(2));
  if (command.kind === 'help') return say(HELP);
  if (command.kind === 'version') return say(BRIDGE_VERSION);
  if (command.kind === 'faults') return refuse(command.faults);

  const loaded = read(command.options);
  if ('faults' in loaded) return refuse(loaded.faults);
  const { settings, notes, generatedToken } = loaded;
  if (command.kind === 'check') {
    const { faultsOfPlaces } = await import('./supervisor/machine-check.ts');
    const faults = await faultsOfPlaces(settings);
    return faults.length === 0 ? say(describe(loaded)) : refuseFor(faults);
  }
  if (command.kind === 'reload') {
    const { sendReload } = await import('./supervisor/send-reload.ts');
    return say(sendReload(settings));
  }
  // Read by the C library of a worker when it starts: memory of this size goes back to the system when it is freed. Large
  // messages would else leave it in the heap of a task thread, which stays when the thread has ended.
  process.env['MALLOC_MMAP_THRESHOLD_'] ??= '1048576';
  const { runPrimary } = await import('./supervisor/primary.ts');
  const { code, lastLine } = await runPrimary({
    settings,
    notes,
    generatedToken,
    environment: process.env,
    tunnel: command.tunnel,
    entry: fileURLToPath(import.meta.url),
    guardian: (ledger) => ({
      command: [process.execPath, ...sourceOptions, fileURLToPath(import.meta.url), ledger],
      environment: { MCP_BRIDGE_ROLE: 'guardian' },
    }),
    version: BRIDGE_VERSION,
    reload: () => read(command.options, generatedToken),
  });
  if (lastLine !== undefined) complain(lastLine);
  return code;
}

function read(options: LoadOptions, generatedToken?: string): ReturnType<typeof load> {
  return load({
    cwd: process.cwd(),
    environment: process.env,
    options,
    ...(generatedToken !== undefined && ({ generatedToken } satisfies Partial<Loaded>)),
  });
}

/** Signals to the whole process group (Ctrl-C, a service manager) are the primary's affair; it tells the workers. */
async function work(): Promise<void> {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR2'] as const)
    process.on(signal, () => undefined);
  const [{ createPrimaryLink }, { runWorker }] = await Promise.all([
    import('./ipc/primary-link.ts'),
    import('./worker.ts'),
  ]);
  const link = await createPrimaryLink(process);
  if (link === undefined) process.exit(EXIT_FAILED);
  await runWorker(link.fleet, link.start, process.env);
}

/** The primary was killed: what the guardian that it left becomes. */
async function endWhatIsLeft(ledger: string): Promise<void> {
  const { endLeftBehind } = await import('./supervisor/aftermath.ts');
  const { workers, servers } = await endLeftBehind(ledger);
  if (workers + servers.length === 0) return;
  complain(
    `The primary was killed; ended what it left: ${workers} workers, children of ${servers.join(', ') || 'no server'}`,
  );
}

/** One of PM2's instances: a worker that has no primary of ours. */
async function serveUnderPm2(): Promise<void> {
  const command = parseCommandLine(process.argv.slice(2));
  if (command.kind === 'faults') {
    throw new StartError(command.faults.map(renderFault).join('\n'), EXIT_CONFIG);
  }
  if (command.kind !== 'run') throw new StartError(`PM2 cannot run --${command.kind}.`, EXIT_CONFIG);
  const [{ runInstance }, { runWorker }] = await Promise.all([
    import('./pm2/instance.ts'),
    import('./worker.ts'),
  ]);
  await runInstance({
    environment: process.env,
    read: (generatedToken) => read(command.options, generatedToken),
    runWorker,
    fail: (sentence) => endInWords(sentence, EXIT_FAILED),
  });
}

/** PM2 has put a file in the place of stderr, and what is written last needs a moment. */
async function endInWords(sentence: string, code: number): Promise<never> {
  const written = new Promise<void>((resolve) => {
    process.stderr.write(`${sentence}\n`, 'utf8', () => resolve());
  });
  await Promise.race([written, pause(LAST_WORDS_MS)]);
  process.exit(code);
}

function say(text: string): number {
  process.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
  return 0;
}

function refuse(faults: readonly Fault[]): number {
  return refuseFor(faults.map(renderFault));
}

function refuseFor(sentences: readonly string[]): number {
  for (const sentence of sentences) complain(sentence);
  return EXIT_CONFIG;
}

function complain(sentence: string): void {
  process.stderr.write(`${sentence}\n`);
}

/** The variable is set by our own primary: under PM2 a process is a cluster worker of somebody else. */
if (process.env['MCP_BRIDGE_ROLE'] === 'worker') {
  await work();
} else if (process.env['MCP_BRIDGE_ROLE'] === 'guardian') {
  await endWhatIsLeft(process.argv[2] ?? '');
} else {
  try {
    if (isPm2Instance(process.env)) await serveUnderPm2();
    else process.exit(await main());
  } catch (error) {
    await endInWords(
      error instanceof StartError ? error.message : String(error instanceof Error ? error.stack : error),
      error instanceof StartError ? error.exitCode : EXIT_FAILED,
    );
  }
}
