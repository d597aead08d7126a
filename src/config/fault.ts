/**
 * One thing wrong with what the operator wrote, where it stands, and what would be right. Owns the one-line form
 * that a terminal and a log show. Faults are collected, never thrown: an operator wants all of them at once.
 */

export interface Position {
  /** Both count from 1. */
  readonly line: number;
  readonly column: number;
}

export interface Fault {
  /** A path as the operator would type it, `environment` or `command line`. */
  readonly file: string;
  readonly line?: number;
  readonly column?: number;
  /** `servers.fetch.timeoutMs`, `PORT`; empty when the whole file is meant. */
  readonly key: string;
  /** A phrase: `unknown key`, `found "abc"`. Never a secret's text. */
  readonly found: string;
  /** A phrase: `allowed: a whole number from 1 to 10`, `did you mean "command"?`. */
  readonly allowed: string;
}

/** `mcp-servers.yaml:7:5 servers.fetch.comand: unknown key; did you mean "command"?` */
export function renderFault({ file, line, column, key, found, allowed }: Fault): string {
  const place = line === undefined ? file : `${file}:${line}:${column ?? 1}`;
  return `${place}${key === '' ? '' : ` ${key}`}: ${found}; ${allowed}`;
}

const shownLength = 60;

/** A value as a fault shows it; cut, on one line, quoted when it is text. */
export function shown(value: unknown): string {
  if (value === null || value === undefined || value === '') return 'found nothing';
  const text = JSON.stringify(value);
  return `found ${text.length > shownLength ? `${text.slice(0, shownLength)}…` : text}`;
}
