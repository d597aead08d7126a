/**
 * What the processes of this bridge that are gone have counted: one total in a file, into which each of them is
 * folded once. The total names those that are in it, so that neither an interrupted fold nor a reader that comes in
 * the middle of one counts a process twice.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { retire } from '../metrics/merge.ts';
import { readJson, writeWhole } from '../supervisor/whole-file.ts';

export interface Retired {
  /** Undefined when nobody was folded in yet. */
  readonly total: unknown;
  /** Process ids, the latest last. */
  readonly ids: readonly string[];
  /** Slots whose last process died without leaving in order, and that have no successor yet. */
  readonly crashed: readonly number[];
}

const FILE = 'retired.json';
const SUFFIX = '.metrics';
/** Older ones have no file left that could be counted again. */
const MAX_IDS = 1_000;

export function readRetired(folder: string): Retired {
  const value = readJson(join(folder, FILE));
  const { total, ids, crashed } = (typeof value === 'object' && value !== null ? value : {}) as Record<
    string,
    unknown
  >;
  return {
    total,
    ids: Array.isArray(ids) ? ids.map(String) : [],
    crashed: Array.isArray(crashed) ? crashed.filter(Number.isInteger) : [],
  };
}

/** Only with the lock held. */
export function fold(folder: string, process: { id: string; slot: number; hasCrashed: boolean }): void {
  const { total, ids, crashed } = readRetired(folder);
  const { id, slot, hasCrashed } = process;
  if (ids.includes(id)) return;
  writeRetired(folder, {
    total: retire(total, readSnapshot(folder, id)),
    ids: [...ids, id].slice(-MAX_IDS),
    crashed: hasCrashed && !crashed.includes(slot) ? [...crashed, slot] : crashed,
  });
}

/** Whether the slot's last process crashed; asked once, by the successor. Only with the lock held. */
export function takeCrash(folder: string, slot: number): boolean {
  const retired = readRetired(folder);
  if (!retired.crashed.includes(slot)) return false;
  writeRetired(folder, { ...retired, crashed: retired.crashed.filter((each) => each !== slot) });
  return true;
}

/** The last known metrics of a process. What was shown to anybody must have been written here before. */
export function writeSnapshot(folder: string, id: string, snapshot: unknown): void {
  writeWhole(join(folder, id + SUFFIX), JSON.stringify(snapshot));
}

/** Undefined when there is none. */
export function readSnapshot(folder: string, id: string): unknown {
  return readJson(join(folder, id + SUFFIX));
}

/** The processes that have written one and are not folded in yet, living or not. */
export function snapshotIds(folder: string): readonly string[] {
  return readdirSync(folder).flatMap((name) =>
    name.endsWith(SUFFIX) ? [name.slice(0, -SUFFIX.length)] : [],
  );
}

function writeRetired(folder: string, retired: Retired): void {
  writeWhole(join(folder, FILE), JSON.stringify(retired));
}
