/** Writes mcp-servers.schema.json and the tables of docs/configuration.md from the tables of keys. */
import { readFileSync, writeFileSync } from 'node:fs';
import { schemaText, withTables } from '../src/config/reference.ts';

const root = new URL('../', import.meta.url);
const page = new URL('docs/configuration.md', root);
writeFileSync(new URL('mcp-servers.schema.json', root), schemaText());
writeFileSync(page, withTables(readFileSync(page, 'utf8')));
