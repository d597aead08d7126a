/**
 * Where log lines go and what may not be in them. One JSON line per event to stdout, and into the files of LOG_DIR;
 * on a developer's terminal the same lines made readable. What is worth a line is decided by the callers.
 *
 * Lines leave asynchronously and are flushed when the process exits or logs a fatal one. All workers write to the
 * same stdout and files: each file is opened for appending and written in whole lines, so they do not mix. A file that
 * logrotate has renamed is opened again (follow-file.ts); one that it has truncated (copytruncate) simply starts again
 * at its new end.
 */
import { openSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { isatty } from 'node:tty';
import pino from 'pino';
import { renderFault, shown } from './config/fault.ts';
import type { Settings } from './config/settings.ts';
import { pause } from './deadline.ts';
import { messageOf } from './errors.ts';
import { followFile } from './follow-file.ts';
import { createLineWriter, type LineWriter } from './line-writer.ts';
import { folderTrouble, makeFolder } from './make-folder.ts';
import { createStreamWriter } from './stream-writer.ts';

export type Logger = pino.Logger;

/** The largest write to a pipe that other writers cannot tear apart (PIPE_BUF on Linux). */
const PIPE_WRITE_BYTES = 4096;
/** What may wait for a reader that stalls or a disk that is full; lines beyond it are dropped rather than memory filled. */
const MAX_WAITING_BYTES = 16 * 1024 * 1024;
const FILE_WRITE_BYTES = 64 * 1024;
const FLUSH_MS = 2000;
const STDOUT = 1;
const STDERR = 2;

/**
 * The second line of defence: callers log names and sizes, never these. `env` and `headers` go whole, because any
 * value in them may be a secret.
 */
const SECRET_KEYS: ReadonlySet<string> = new Set([
  'accessToken',
  'accessTokens',
  'apiKey',
  'arguments',
  'authorization',
  'Authorization',
  'cookie',
  'env',
  'headers',
  'metricsToken',
  'ngrokAuthToken',
  'params',
  'password',
  'requestState',
  'secret',
  'sessionSecret',
  'token',
  'tokens',
]);

/**
 * `bindings` (role, slot) stand in every line. Throws with a sentence that names LOG_DIR when its files cannot be
 * opened.
 */
export function createLogger(
  settings: Pick<Settings, 'logLevel' | 'logDir' | 'nodeEnv'>,
  bindings: Readonly<Record<string, string | number>>,
): Logger {
  const { logLevel, logDir, nodeEnv } = settings;
  const writers: LineWriter[] = [];
  const keep = (writer: LineWriter): LineWriter => {
    writers.push(writer);
    return writer;
  };

  const pretty = nodeEnv === 'development' && isatty(STDOUT);
  const stdout = (): LineWriter => {
    const onTrouble = tellOnce('stdout');
    if (isTakenOver()) return keep(createStreamWriter(process.stdout, onTrouble));
    const limits = { maxWriteBytes: PIPE_WRITE_BYTES, maxWaitingBytes: MAX_WAITING_BYTES };
    return keep(createLineWriter(STDOUT, { ...limits, onTrouble }));
  };
  // The logger itself knows the level; an audit line passes whatever it is.
  const streams: pino.StreamEntry<pino.Level>[] = [
    { level: 'trace', stream: pretty ? prettyTerminal() : stdout() },
  ];
  if (logDir !== undefined) {
    streams.push({ level: 'trace', stream: keep(openFile(logDir, 'combined.log')) });
    streams.push({ level: 'error', stream: keep(openFile(logDir, 'error.log')) });
  }
  process.once('exit', () => {
    for (const writer of writers) writer.flushSync();
  });
  // pino's flush asks its stream, and multistream cannot answer on its own.
  const stream = Object.assign(pino.multistream(streams), {
    flush: (done: () => void) => void Promise.all(writers.map((writer) => writer.flush())).then(done),
  });

  return pino(
    {
      level: logLevel,
      base: { pid: process.pid, ...bindings },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }), log: redact },
      // Described by `redact` already; pino's own serializer would add fields of the error to it again.
      serializers: { err: (described: unknown) => described },
      // Bindings of child loggers do not pass the formatter; for their own keys this is enough, and costs little.
      redact: [...SECRET_KEYS],
    },
    stream,
  );
}

/**
 * Resolves when every line logged so far was written, or cannot be, or nobody took it for two seconds; for the end
 * of a process. Never rejects.
 */
export async function flushLog(logger: Logger): Promise<void> {
  const written = new Promise<void>((resolve) => logger.flush(() => resolve()));
  await Promise.race([written, pause(FLUSH_MS)]);
}

/** A full disk or a closed pipe is no reason to stop serving: lines wait, then drop, and stderr says so once. */
function tellOnce(name: string): (what: string) => void {
  let said = false;
  return (what) => {
    if (said) return;
    said = tellOnStderr(`mcp-bridge: log lines for ${name} cannot be written: ${what}\n`);
  };
}

/**
 * PM2's cluster mode replaces `process.stdout.write` by one that writes the app's log file; descriptor 1 is its
 * daemon's there.
 */
const isTakenOver = (): boolean => Object.hasOwn(process.stdout, 'write');

/** False when stderr does not take it either. */
function tellOnStderr(text: string): boolean {
  try {
    writeSync(STDERR, text);
    return true;
  } catch {
    return false;
  }
}

function openFile(logDir: string, name: string): LineWriter {
  const path = join(logDir, name);
  const onTrouble = tellOnce(name);
  try {
    makeFolder(logDir);
    return createLineWriter(openSync(path, 'a'), {
      maxWriteBytes: FILE_WRITE_BYTES,
      maxWaitingBytes: MAX_WAITING_BYTES,
      onTrouble,
      follow: followFile(path, onTrouble),
    });
  } catch (error) {
    throw new Error(logDirFault(logDir, `where log files cannot be written (${messageOf(error)})`), {
      cause: error,
    });
  }
}

/** The fault that `createLogger` would throw for, found without writing anything; undefined where there is none. */
export function logDirTrouble({ logDir }: Pick<Settings, 'logDir'>): string | undefined {
  const trouble = logDir === undefined ? undefined : folderTrouble(logDir);
  return logDir === undefined || trouble === undefined ? undefined : logDirFault(logDir, trouble);
}

const logDirFault = (logDir: string, what: string): string =>
  renderFault({
    file: 'environment',
    key: 'LOG_DIR',
    found: `${shown(logDir)}, ${what}`,
    allowed: 'allowed: a folder that this user may write to',
  });

/** Writes at once: a terminal is fast enough for a developer, and nothing is lost when the process stops. */
function prettyTerminal(): pino.DestinationStream {
  // Required here, not imported above: production never loads it.
  const { prettyFactory } = createRequire(import.meta.url)('pino-pretty') as typeof import('pino-pretty');
  const format = prettyFactory({
    colorize: true,
    translateTime: 'SYS:HH:MM:ss.l',
    ignore: 'pid',
    singleLine: true,
  });
  const terminal = pino.destination({ dest: STDOUT, sync: true });
  return { write: (line) => terminal.write(format(line)) };
}

/** Deeper values are cut off: a log line is no place for them, and a cycle ends. */
const MAX_DEPTH = 5;

function redact(fields: Record<string, unknown>): Record<string, unknown> {
  return loggable(fields, 0) as Record<string, unknown>;
}

/**
 * The same value without secrets, at any depth. Not pino's own redaction: its wildcard paths for these keys two
 * levels down cost 40 microseconds a line, this walk well below one.
 */
function loggable(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (depth > MAX_DEPTH) return '[cut off]';
  if (value instanceof Error) return describeError(value, depth);
  if (Array.isArray(value)) return value.map((element) => loggable(element, depth + 1));
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return value;
  const copy: Record<string, unknown> = {};
  for (const [key, member] of Object.entries(value)) {
    copy[key] = SECRET_KEYS.has(key) ? '[Redacted]' : loggable(member, depth + 1);
  }
  return copy;
}

/** Only these fields: others (details, headers, a server's own error data) may hold what a log must not. */
function describeError(error: Error, depth: number): Record<string, unknown> {
  const { message, stack, cause } = error;
  const { code } = error as { code?: unknown };
  return {
    message,
    ...(code === undefined ? {} : { code }),
    stack,
    ...(cause === undefined ? {} : { cause: loggable(cause, depth + 1) }),
  };
}
