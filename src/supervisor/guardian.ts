/**
 * Who is left when the primary is killed and a worker hangs: a shell of half a megabyte that does nothing but wait for
 * the primary's end of a pipe. Told that all is done, it goes; else it becomes the process that ends what is left
 * (aftermath.ts). It has a session of its own, so that no signal to the primary's group reaches it, and init for its
 * parent, so that it stands among nobody's workers.
 */
import { spawn } from 'node:child_process';
import type { Writable } from 'node:stream';
import { pause } from '../deadline.ts';
import type { Logger } from '../log.ts';

export interface Guardian {
  /** Everything is gone in order. Resolves when the guardian is gone too, or after a second. */
  dismiss(): Promise<void>;
}

export interface GuardianOptions {
  /** What becomes of it: program, arguments and environment. */
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly logger: Logger;
}

const DONE = 'done';
/** Descriptor 3, because node closes the stdin of a child that has ended. Stdout says by its end that all are gone. */
const SCRIPT = `{ trap '' HUP INT TERM; read -r word <&3; [ "$word" = ${DONE} ] || exec "$@" 3<&- >/dev/null; } &`;
const NAME = 'mcp-bridge-guardian';
const AGAIN_MS = 1_000;
const DISMISS_MS = 1_000;

export function startGuardian({ command, environment, logger }: GuardianOptions): Guardian {
  let isDismissed = false;
  let line: Writable;
  let gone: Promise<void>;

  const begin = (): void => {
    const shell = spawn('/bin/sh', ['-c', SCRIPT, NAME, ...command], {
      detached: true,
      env: { ...environment },
      stdio: ['ignore', 'pipe', 'inherit', 'pipe'],
    });
    let isMissing = false;
    shell.once('error', (error) => {
      isMissing = true;
      logger.warn({ err: error }, 'no /bin/sh here: a worker that hangs may outlive a killed primary');
    });
    line = shell.stdio[3] as Writable;
    // It is gone, and the end of its stdout says so.
    line.on('error', () => undefined);
    gone = new Promise((resolve) => shell.stdout?.resume().once('close', resolve));
    void gone.then(async () => {
      if (isDismissed || isMissing) return;
      logger.warn('the guardian is gone and is started again');
      await pause(AGAIN_MS);
      if (!isDismissed) begin();
    });
  };
  begin();

  return {
    async dismiss() {
      isDismissed = true;
      line.end(`${DONE}\n`);
      await Promise.race([gone, pause(DISMISS_MS)]);
    },
  };
}
