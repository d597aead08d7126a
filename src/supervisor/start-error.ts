/** Why the bridge cannot start, in words for the operator, with the exit code that says whose turn it is. */

/** The world is in the way; the same configuration may work later. */
export const EXIT_FAILED = 1;
/** Configuration or environment must change (EX_CONFIG of sysexits.h). */
export const EXIT_CONFIG = 78;

export class StartError extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode: number, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'StartError';
    this.exitCode = exitCode;
  }
}
