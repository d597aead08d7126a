/** Where the servers come from: the file that was named, the first of the usual ones, or the variable MCP_SERVERS. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, isAbsolute, relative, resolve } from 'node:path';
import type { Sourced, Variables } from './dotenv.ts';
import type { Fault } from './fault.ts';
import { parseFile, type Tree } from './file.ts';

export interface Source {
  readonly tree: Tree;
  /** For faults. */
  readonly shownAs: string;
  /** Absolute. */
  readonly folder: string;
  /** Absolute; left out for MCP_SERVERS. */
  readonly path?: string;
}

export interface Found {
  readonly source?: Source;
  readonly faults: readonly Fault[];
  readonly notes: readonly string[];
}

const usualNames = ['mcp-servers.yaml', 'mcp-servers.yml', 'mcp-servers.json'];

/** The path as the operator would type it. */
function shownPath(cwd: string, path: string): string {
  const inside = relative(cwd, path);
  return inside.startsWith('..') || isAbsolute(inside) ? path : inside;
}

function readText(path: string): { text: string } | { problem: string } {
  try {
    return { text: readFileSync(path, 'utf8') };
  } catch (thrown) {
    const code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : String(thrown);
    return { problem: code === 'ENOENT' ? 'no such file' : `cannot be read (${code})` };
  }
}

function fromFile(cwd: string, path: string, named: Sourced | undefined): Found {
  const shownAs = shownPath(cwd, path);
  const read = readText(path);
  if ('problem' in read) {
    const { text: _, key = 'MCP_SERVERS_FILE', ...place } = named ?? { text: '', key: '', file: shownAs };
    const found = named === undefined ? read.problem : `${shownAs}: ${read.problem}`;
    return {
      faults: [{ ...place, key, found, allowed: 'allowed: a readable YAML or JSON file' }],
      notes: [],
    };
  }
  const { tree, faults } = parseFile(read.text, shownAs);
  if (faults.length > 0) return { faults, notes: [] };
  return { source: { tree, shownAs, folder: dirname(path), path }, faults, notes: [] };
}

/** A bare map of servers is understood too: nobody writes the outer map into a variable. */
function wrapped(tree: Tree): Tree {
  if (tree.kind !== 'map' || tree.entries.length === 0) return tree;
  const bare = tree.entries.every(
    ({ value }) =>
      value.kind === 'map' && value.entries.some(({ name }) => name === 'command' || name === 'url'),
  );
  return bare ? { ...tree, entries: [{ name: 'servers', at: tree.at, value: tree }] } : tree;
}

function fromVariable(cwd: string, { text, file, line }: Sourced): Found {
  const shownAs = file === 'environment' ? 'MCP_SERVERS' : `MCP_SERVERS of ${file}:${line}`;
  const { tree, faults } = parseFile(text, shownAs);
  if (faults.length > 0) return { faults, notes: [] };
  return { source: { tree: wrapped(tree), shownAs, folder: cwd }, faults, notes: [] };
}

/** Finds and parses the servers; no place at all is a fault that says what to do. */
export function findServers(cwd: string, variables: Variables): Found {
  const inline = variables.get('MCP_SERVERS');
  const named = variables.get('MCP_SERVERS_FILE');
  const usual = usualNames.map((name) => resolve(cwd, name)).find((path) => existsSync(path));
  const path = named === undefined ? usual : resolve(cwd, named.text.trim());
  if (path !== undefined) {
    const found = fromFile(cwd, path, named);
    if (inline === undefined) return found;
    return { ...found, notes: [`MCP_SERVERS is ignored, since ${shownPath(cwd, path)} is there.`] };
  }
  if (inline !== undefined) return fromVariable(cwd, inline);
  return {
    faults: [
      {
        file: usualNames[0] ?? '',
        key: '',
        found: `no such file in ${cwd}`,
        allowed:
          'write one, name one with --config or MCP_SERVERS_FILE, set MCP_SERVERS, or start with -- COMMAND ARGS',
      },
    ],
    notes: [],
  };
}
