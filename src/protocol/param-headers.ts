/**
 * `Mcp-Param-*`: arguments of a tool that its schema wants repeated as headers, for whoever routes by them on the
 * way. Finds them in a schema, and holds a call's headers against its arguments. Pure.
 *
 * MCP 2026-07-28, transports, "Custom Headers"; tools, "x-mcp-header".
 */

import { isObject } from './is-object.ts';
import { decodeHeader, encodeHeader, mismatch } from './modern-request.ts';

export const PARAM_PREFIX = 'mcp-param-';

export interface ParamHeader {
  /** In lower case, `mcp-param-` included. */
  readonly header: string;
  /** Where the argument stands: the names of properties within properties. */
  readonly path: readonly string[];
}

const ANNOTATION = 'x-mcp-header';
/** RFC 9110, section 5.6.2. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const TYPES: readonly unknown[] = ['string', 'integer', 'boolean'];
/** Keywords whose values are data: what looks like an annotation in there is none. */
const DATA = new Set(['enum', 'const', 'default', 'examples']);

/** Those of a tool's input schema. None when one of them is not as it must be: clients leave out such a tool. */
export function paramHeaders(inputSchema: unknown): readonly ParamHeader[] {
  const found: ParamHeader[] = [];
  const isValid = collect(inputSchema, [], found);
  const names = new Set(found.map(({ header }) => header));
  return isValid && names.size === found.length ? found : [];
}

/** Throws `header_mismatch`. Headers that no argument asks for mean nothing. */
export function checkParamHeaders(
  wanted: readonly ParamHeader[],
  args: unknown,
  headers: Readonly<Record<string, string>>,
): void {
  for (const { header, path } of wanted) {
    const value = argumentAt(args, path);
    if (value === undefined || value === null) continue;
    const where = `params.arguments.${path.join('.')}`;
    const raw = Object.hasOwn(headers, header) ? headers[header] : undefined;
    if (raw === undefined) throw mismatch(`the header ${header} is missing, the body has ${where}`);
    if (!repeats(decodeHeader(raw), value)) throw mismatch(`${header} says something else than ${where}`);
  }
}

/** The headers that repeat a call's arguments, as `checkParamHeaders` wants them. */
export function repeatedAsHeaders(wanted: readonly ParamHeader[], args: unknown): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const { header, path } of wanted) {
    const value = argumentAt(args, path);
    if (typeof value === 'string') headers[header] = encodeHeader(value);
    else if (typeof value === 'boolean') headers[header] = String(value);
    // In digits, however large.
    else if (Number.isInteger(value)) headers[header] = BigInt(value as number).toString();
  }
  return headers;
}

/** False when the schema has an annotation that is not valid. `path` is undefined where none is allowed. */
function collect(schema: unknown, path: readonly string[] | undefined, found: ParamHeader[]): boolean {
  if (Array.isArray(schema)) return schema.every((each) => collect(each, undefined, found));
  if (!isObject(schema)) return true;
  return Object.entries(schema).every(([key, value]) => {
    if (DATA.has(key)) return true;
    if (key === ANNOTATION) return annotated(schema, value, path, found);
    if (key !== 'properties' || !isObject(value)) return collect(value, undefined, found);
    return Object.entries(value).every(([name, property]) =>
      collect(property, path && [...path, name], found),
    );
  });
}

function annotated(
  schema: Record<string, unknown>,
  name: unknown,
  path: readonly string[] | undefined,
  found: ParamHeader[],
): boolean {
  if (path === undefined || path.length === 0 || !TYPES.includes(schema['type'])) return false;
  if (typeof name !== 'string' || !TOKEN.test(name)) return false;
  found.push({ header: PARAM_PREFIX + name.toLowerCase(), path });
  return true;
}

const argumentAt = (args: unknown, path: readonly string[]): unknown =>
  path.reduce((at: unknown, name) => (isObject(at) ? at[name] : undefined), args);

function repeats(header: string | undefined, value: unknown): boolean {
  if (header === undefined) return false;
  if (typeof value === 'number') return /^-?\d+(\.\d+)?$/.test(header) && Number(header) === value;
  if (typeof value === 'boolean') return header === String(value);
  // Neither may be repeated: it is for the server to say what is wrong with the argument.
  return typeof value !== 'string' || header === value;
}
