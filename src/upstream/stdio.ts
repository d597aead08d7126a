/**
 * A stdio server: a child process, its lines, and its end. Each child leads a process group of its own, so that
 * what it forks ends with it. Owns framing and back-pressure of the pipes; knows nothing of JSON-RPC ids.
 *
 *   running --close()--> stdin ended --1 s--> SIGTERM --1.5 s--> SIGKILL   (each step to the whole group)
 *      \--child exits--> its output is read to the end --> what is left of the group is killed --> closed
 *
 * MCP transports, "stdio".
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import type { StdioServer } from '../config/settings.ts';
import { pause } from '../deadline.ts';
import { type Task, writeAtEndOfTurn } from '../end-of-turn.ts';
import { BridgeError, messageOf } from '../errors.ts';
import type { Chunk } from '../http/engine.ts';
import type { Logger } from '../log.ts';
import { LARGE_MESSAGE_BYTES, MAX_LINE_BYTES } from '../protocol/large.ts';
import type { ReadResult, Tasks } from '../tasks.ts';
import { confine } from './confine.ts';
import { LineSplitter } from './lines.ts';
import { ServerLog } from './server-log.ts';
import { StderrTail } from './stderr-tail.ts';
import type { Transport, TransportListener } from './transport.ts';

const STDIN_GRACE_MS = 1_000;
const SIGTERM_GRACE_MS = 1_500;
/** How long the output of a child that exited is still read; a grandchild may hold the pipe open for ever. */
const OUTPUT_GRACE_MS = 250;

const SPACE = 0x20;
const OPENING_BRACE = 0x7b;

export interface StdioDeps {
  readonly log: Logger;
  readonly tasks: Tasks;
  /** What the child finds in its environment besides the definition's own `env`. */
  readonly baseEnvironment: Readonly<Record<string, string>>;
  /** The child's process group exists / has ended. */
  readonly started: (pgid: number) => void;
  readonly exited: (pgid: number) => void;
}

export function openStdio(server: StdioServer, listener: TransportListener, deps: StdioDeps): Transport {
  return new StdioTransport(server, listener, deps);
}

class StdioTransport implements Transport, Task {
  readonly #server: StdioServer;
  readonly #listener: TransportListener;
  readonly #deps: StdioDeps;
  readonly #child: ChildProcessWithoutNullStreams | undefined;
  readonly #log: ServerLog;
  readonly #stderr: StderrTail;
  readonly #gone: Promise<void>;
  #resolveGone: () => void = () => undefined;
  #closed = false;
  #closing = false;
  #spoke = false;
  /** What goes out at the end of the turn: up to the last bytes among it, and the text behind them. */
  #outgoing: Chunk[] = [];
  #outgoingText = '';
  #outgoingBytes = 0;
  /** A large line that a thread reads, and the lines that wait behind it, so that messages keep their order. */
  #reading: Promise<void> | undefined;
  #behind: (string | readonly Buffer[])[] | undefined;

  constructor(server: StdioServer, listener: TransportListener, deps: StdioDeps) {
    this.#server = server;
    this.#listener = listener;
    this.#deps = deps;
    this.#gone = new Promise((resolve) => {
      this.#resolveGone = resolve;
    });
    this.#log = new ServerLog(deps.log, server.name);
    this.#stderr = new StderrTail((line) => this.#log.info({ line }, 'server stderr'));
    this.#child = this.#spawn();
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  get backlog(): number {
    return this.#outgoingBytes + (this.#child?.stdin.writableLength ?? 0);
  }

  send(message: Chunk | readonly Chunk[]): void {
    if (this.#closed || this.#closing) return;
    if (this.#outgoingBytes === 0) writeAtEndOfTurn(this);
    if (typeof message === 'string' || message instanceof Uint8Array) this.#enqueue(message);
    else for (const part of message) this.#enqueue(part);
    this.#enqueue('\n');
  }

  close(): Promise<void> {
    if (!this.#closed && !this.#closing) {
      this.#closing = true;
      this.run();
      void this.#end();
    }
    return this.#gone;
  }

  #spawn(): ChildProcessWithoutNullStreams | undefined {
    const { command, args, cwd, env } = this.#server;
    const lines = new LineSplitter(MAX_LINE_BYTES, {
      line: (line) => this.#line(line),
      largeLine: (parts) => this.#line(parts),
      tooLong: (bytes) => this.#giveUp(bytes),
    });
    try {
      const confined = confine(this.#server, command, args);
      const child = spawn(confined.command, confined.args, {
        cwd,
        env: { ...this.#deps.baseEnvironment, ...confined.environment, ...env },
        stdio: ['pipe', 'pipe', 'pipe'],
        detached: true,
        windowsHide: true,
        ...confined.identity,
      });
      child.on('error', (error) => this.#failedToStart(error));
      // It may have no pipes then either: without a free descriptor none are made.
      if (child.pid === undefined) return undefined;
      this.#deps.started(child.pid);
      child.stdout.on('data', (chunk: Buffer) => lines.push(chunk));
      child.stderr.on('data', (chunk: Buffer) => this.#stderr.push(chunk));
      // A child that is gone is told by its exit; EPIPE on the way there says nothing more.
      child.stdin.on('error', (error) =>
        this.#deps.log.debug({ server: this.#server.name, err: error }, 'stdin closed'),
      );
      child.on('exit', (code, signal) => void this.#exited(child, lines, code, signal));
      return child;
    } catch (error) {
      // After the constructor, so that the listener never hears from a transport it does not know yet.
      setImmediate(() => this.#failedToStart(error));
      return undefined;
    }
  }

  #enqueue(chunk: Chunk): void {
    this.#outgoingBytes += chunk.length;
    if (typeof chunk === 'string') {
      this.#outgoingText += chunk;
      return;
    }
    if (this.#outgoingText !== '') this.#outgoing.push(this.#outgoingText);
    this.#outgoing.push(chunk);
    this.#outgoingText = '';
  }

  /** One write for everything that was sent in this turn of the event loop, but for bytes, which go as they are. */
  run(): void {
    const chunks = this.#outgoing;
    const text = this.#outgoingText;
    if (chunks.length > 0) this.#outgoing = [];
    this.#outgoingText = '';
    this.#outgoingBytes = 0;
    const stdin = this.#child?.stdin;
    if (this.#closed || stdin === undefined || !stdin.writable) return;
    for (const chunk of chunks) stdin.write(chunk);
    if (text !== '') stdin.write(text);
  }

  /** A large one in its parts. */
  #line(line: string | readonly Buffer[]): void {
    if (this.#closed) return;
    if (this.#behind !== undefined) {
      this.#behind.push(line);
      return;
    }
    if (typeof line === 'string' && isPlainText(line)) {
      this.#noise('It is no JSON object.', line.length);
      return;
    }
    const result = this.#deps.tasks.readMessage(line);
    if (result instanceof Promise) this.#waitFor(result);
    else this.#deliver(result, line.length);
  }

  #waitFor(large: Promise<ReadResult>): void {
    this.#behind = [];
    this.#child?.stdout.pause();
    const next = (result: ReadResult): void => {
      const behind = this.#behind ?? [];
      this.#reading = undefined;
      this.#behind = undefined;
      this.#child?.stdout.resume();
      if (this.#closed) return;
      this.#deliver(result, LARGE_MESSAGE_BYTES);
      for (const line of behind) this.#line(line);
    };
    this.#reading = large.then(next, (error: unknown) =>
      next({ kind: 'malformed', code: 'parse_error', reason: messageOf(error), id: 'null' }),
    );
  }

  #deliver(message: ReadResult, bytes: number): void {
    if (message.kind === 'malformed') {
      this.#noise(message.reason, bytes);
      return;
    }
    this.#spoke = true;
    this.#listener.message(message);
  }

  #noise(reason: string, bytes: number): void {
    this.#log.warn({ reason, bytes }, 'noise on a server stdout');
  }

  #giveUp(bytes: number): void {
    const { name } = this.#server;
    this.#tellClosed(
      new BridgeError(
        'message_too_large',
        `Server "${name}" printed ${bytes} bytes without a line end; at most ${MAX_LINE_BYTES} are allowed.`,
      ),
    );
    void this.#end();
  }

  async #end(): Promise<void> {
    this.#child?.stdin.end();
    if (await this.#goneWithin(STDIN_GRACE_MS)) return;
    this.#signal('SIGTERM');
    if (await this.#goneWithin(SIGTERM_GRACE_MS)) return;
    this.#signal('SIGKILL');
  }

  async #goneWithin(ms: number): Promise<boolean> {
    return Promise.race([this.#gone.then(() => true), pause(ms).then(() => false)]);
  }

  #signal(signal: NodeJS.Signals | 0): boolean {
    const pid = this.#child?.pid;
    if (pid === undefined) return false;
    try {
      return process.kill(-pid, signal);
    } catch {
      return false; // ESRCH: the whole group is gone
    }
  }

  async #exited(
    child: ChildProcessWithoutNullStreams,
    lines: LineSplitter,
    code: number | null,
    signal: NodeJS.Signals | null,
  ): Promise<void> {
    await this.#outputRead(child);
    child.stdout.destroy();
    child.stderr.destroy();
    child.stdin.destroy();
    const rest = lines.rest();
    if (rest.length > 0) this.#log.warn({ bytes: rest.length }, 'a server ended in the middle of a line');
    this.#log.close();
    this.#tellClosed(this.#exitReason(code, signal));
    if (this.#signal(0)) {
      this.#signal('SIGTERM');
      // Not `pause`: a worker with nothing else to do would leave before the second signal.
      await sleep(OUTPUT_GRACE_MS);
      this.#signal('SIGKILL');
    }
    if (child.pid !== undefined) this.#deps.exited(child.pid);
    this.#resolveGone();
  }

  /** To its end, or for a while where something else holds the pipe open; what a thread still reads counts too. */
  async #outputRead(child: ChildProcessWithoutNullStreams): Promise<void> {
    const end = new Promise((resolve) => child.once('close', resolve));
    do {
      await this.#reading;
      await Promise.race([end, pause(OUTPUT_GRACE_MS)]);
    } while (this.#reading !== undefined);
  }

  #exitReason(code: number | null, signal: NodeJS.Signals | null): BridgeError {
    const how = signal === null ? `exited with code ${code}` : `was ended by ${signal}`;
    const when = this.#spoke ? '' : ' before it said anything';
    const stderr = this.#closing ? '' : this.#stderr.quoted();
    return new BridgeError(
      this.#spoke ? 'server_died' : 'server_start_failed',
      `Server "${this.#server.name}" ${how}${when}.${stderr}`,
    );
  }

  #failedToStart(error: unknown): void {
    if (this.#child?.pid !== undefined) return; // a failed kill, told by the exit
    this.#tellClosed(error instanceof BridgeError ? error : this.#notStarted(error));
    this.#resolveGone();
  }

  #notStarted(error: unknown): BridgeError {
    const { name, cwd, written } = this.#server;
    // As the file has it: what came by ${NAME} may be secret.
    const command = written?.[0] ?? this.#server.command;
    const { code } = error as NodeJS.ErrnoException;
    const reason =
      code === 'ENOENT'
        ? `the command "${command}" or the folder "${cwd}" was not found`
        : `the command "${command}" cannot be run (${code ?? messageOf(error)})`;
    return new BridgeError('server_start_failed', `Server "${name}" could not be started: ${reason}.`);
  }

  #tellClosed(reason: BridgeError): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#outgoing = [];
    this.#outgoingText = '';
    this.#listener.closed(reason);
  }
}

/** Most noise is; to find out where exactly it is no JSON takes twenty times as long as to read a message. */
function isPlainText(line: string): boolean {
  const first = line.charCodeAt(0);
  return first > SPACE && first !== OPENING_BRACE;
}
