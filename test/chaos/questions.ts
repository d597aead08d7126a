/** The calls that the load makes, each with what its answer must be: payloads that occur once in the whole run. */
import { isDeepStrictEqual } from 'node:util';
import type { Random } from './random.ts';
import type { Question } from './verdict.ts';

export interface Asked extends Question {
  readonly method: string;
  readonly params: Readonly<Record<string, unknown>>;
}

interface ToolResult {
  readonly content?: readonly { readonly text?: string }[];
  readonly structuredContent?: unknown;
}

const textOf = (result: unknown): string | undefined => (result as ToolResult).content?.[0]?.text;
const structureOf = (result: unknown): unknown => (result as ToolResult).structuredContent;

const short = (value: unknown): string => JSON.stringify(value)?.slice(0, 200) ?? 'nothing';

function tool(id: string, name: string, args: object, check: Question['check'], token?: string): Asked {
  const meta = token === undefined ? {} : { _meta: { progressToken: token } };
  return {
    id,
    method: 'tools/call',
    params: { name, arguments: args, ...meta },
    check,
    ...(token !== undefined && { progressToken: token }),
  };
}

/** Its arguments must come back unchanged. */
function returning(id: string, name: string, args: object, token?: string): Asked {
  const check = (result: unknown): string | undefined =>
    isDeepStrictEqual(structureOf(result), args) ? undefined : `sent ${short(args)}, got ${short(result)}`;
  return tool(id, name, args, check, token);
}

export const echoed = (id: string): Asked =>
  returning(id, 'echo', { text: `text of ${id}`, number: id.length });

/** Long enough to be left in the middle. */
export const slow = (id: string, ms: number): Asked => returning(id, 'slow', { ms, tag: id });

/** Answered as an event stream with `n` notifications before the result. */
export const progressing = (id: string, n: number): Asked =>
  returning(id, 'progress', { n, tag: id }, `token ${id}`);

export const big = (id: string, bytes: number): Asked =>
  tool(id, 'big', { bytes }, (result) => {
    const length = textOf(result)?.length;
    return length === bytes ? undefined : `asked for ${bytes} bytes, got ${length}`;
  });

/** The child must be the asker's own: initialized once, by this client. */
export const whoami = (id: string, client: string): Asked =>
  tool(id, 'whoami', {}, (result) => {
    const { initialized, clientInfo } = structureOf(result) as {
      initialized?: number;
      clientInfo?: { name?: string };
    };
    return initialized === 1 && clientInfo?.name === client
      ? undefined
      : `a child of ${clientInfo?.name}, initialized ${initialized} times, answered ${client}`;
  });

export const fixed = (id: string, expected: RegExp): Asked =>
  tool(id, 'call', { tag: id }, (result) =>
    expected.test(textOf(result) ?? '') ? undefined : `expected ${expected}, got ${short(result)}`,
  );

export const opening = (id: string, client: string): Asked => ({
  id,
  method: 'initialize',
  params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: client, version: '1.0.0' } },
  check: (result) =>
    typeof result === 'object' && result !== null ? undefined : `initialized with ${short(result)}`,
});

/** What an echo server is asked, mostly small calls. `client`: only for a child of one's own. */
export function mixed(id: string, random: Random, client?: string): Asked {
  const turn = random.next();
  if (turn < 0.06) return slow(id, 20 + random.whole(200));
  if (turn < 0.12) return progressing(id, 1 + random.whole(8));
  if (turn < 0.16) return big(id, 1_000 + random.whole(300_000));
  if (turn < 0.2 && client !== undefined) return whoami(id, client);
  return echoed(id);
}
