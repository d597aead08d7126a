/**
 * Something that answers on a port and can be measured.
 */
import type { Running } from './process.ts';

/** Part of every stdio server's command line here: what is not the gateway's own cost. */
export const CHILD_MARK = '/bench/servers/';

export const SERVERS = `${import.meta.dirname.replace(/\/targets$/, '')}/servers`;

export interface Target extends Running {
  readonly name: string;
  readonly port: number;
  /** Sent with every request. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Where a target keeps its files, and who stops it when the benchmark ends. */
export interface Ground {
  /** A fresh folder. */
  folder(): string;
  /** Stops it when the scenario ends, if it was not stopped before. */
  keep<T extends Running>(running: T): T;
}
