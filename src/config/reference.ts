/**
 * The tables of keys as others read them: a JSON schema for editors and Markdown tables for docs/configuration.md.
 * Nothing of it runs in the bridge; scripts/generate-schema.ts writes the files and a test compares them.
 */
import { ENVIRONMENT } from './environment.ts';
import {
  AUTH_KEYS,
  BRIDGE_KEYS,
  JWT_KEYS,
  LIMIT_KEYS,
  SERVER_KEYS,
  TOKEN_KEYS,
  TOOL_KEYS,
  TOP_KEYS,
} from './server-keys.ts';
import type { JsonSchema } from './shape.ts';
import { type Table, tableSchema } from './table.ts';
import type { Variable } from './variable.ts';

/** Draft 7, which the YAML language server knows best. */
function serversSchema(): JsonSchema {
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'MCP Bridge servers file',
    ...tableSchema(TOP_KEYS),
    oneOf: [{ required: ['servers'] }, { required: ['mcpServers'] }],
  };
}

export const schemaText = (): string => `${JSON.stringify(serversSchema(), null, 2)}\n`;

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
const row = (...cells: readonly string[]): string => `| ${cells.map(cell).join(' | ')} |`;

function markdown(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [row(...head), row(...head.map(() => '---')), ...rows.map((cells) => row(...cells))].join('\n');
}

function defaultOf({ default: usual, fallback }: Variable<unknown>): string {
  if (usual !== undefined) return usual;
  return fallback === undefined || fallback === '' ? 'none' : String(fallback);
}

function environmentTable(): string {
  const rows = Object.entries<Variable<unknown>>(ENVIRONMENT).map(([name, variable]) => [
    `\`${name}\``,
    defaultOf(variable),
    variable.allowed,
    variable.doc,
  ]);
  return markdown(['name', 'default', 'allowed', 'meaning'], rows);
}

function keysTable(table: Table): string {
  const rows = Object.entries(table).map(([name, { shape, doc, default: usual, required, only }]) => [
    `\`${name}\`${only === undefined ? '' : ` (${only})`}`,
    required ? 'required' : (usual ?? ''),
    shape.allowed,
    doc,
  ]);
  return markdown(['key', 'default', 'allowed', 'meaning'], rows);
}

/** By the name that stands in the markers of the page. */
export const generatedTables: ReadonlyMap<string, () => string> = new Map([
  ['environment', environmentTable],
  ['top', () => keysTable(TOP_KEYS)],
  ['server', () => keysTable(SERVER_KEYS)],
  ['limits', () => keysTable(LIMIT_KEYS)],
  ['tools', () => keysTable(TOOL_KEYS)],
  ['bridge', () => keysTable(BRIDGE_KEYS)],
  ['auth', () => keysTable(AUTH_KEYS)],
  ['tokens', () => keysTable(TOKEN_KEYS)],
  ['jwt', () => keysTable(JWT_KEYS)],
]);

/** The page with everything between `<!-- generated: NAME -->` and `<!-- end -->` made anew. */
export function withTables(page: string): string {
  return page.replaceAll(
    /(<!-- generated: (\S+) -->\n)[\s\S]*?(\n<!-- end -->)/g,
    (_, start: string, name: string, end: string) => {
      const table = generatedTables.get(name);
      if (table === undefined) throw new Error(`docs/configuration.md asks for the unknown table "${name}".`);
      return `${start}\n${table()}\n${end}`;
    },
  );
}
