/**
 * What the tools of a server say of themselves, as far as the bridge must know it before or after a call. Asked of
 * the server when it is first needed, and again when its tools have changed.
 */
import { now } from '../deadline.ts';
import type { Child } from '../pool/child.ts';
import type { Scope } from '../pool/scope.ts';
import { isWrapped } from '../protocol/legacy-result.ts';
import { parsePayload } from '../protocol/message.ts';
import { type ParamHeader, paramHeaders } from '../protocol/param-headers.ts';

export interface ToolFacts {
  /** Arguments that have to be repeated as headers. */
  readonly headers: readonly ParamHeader[];
  /** Its structured content may be no object, which the legacy revisions do not know. */
  readonly isWrapped: boolean;
}

type Tools = ReadonlyMap<string, ToolFacts>;

/** Where a server does not tell that its tools have changed. */
const BELIEVED_MS = 60_000;
const MAX_PAGES = 100;

export class ToolTables {
  readonly #tables = new WeakMap<Scope, ToolTable>();

  of(scope: Scope): ToolTable {
    let table = this.#tables.get(scope);
    if (table === undefined) {
      table = new ToolTable(scope);
      this.#tables.set(scope, table);
    }
    return table;
  }
}

export class ToolTable {
  readonly #scope: Scope;
  #tools: Tools = new Map();
  #version = -1;
  #believedUntil = 0;
  #loading: Promise<void> | undefined;

  constructor(scope: Scope) {
    this.#scope = scope;
  }

  /** Asks `child` when a list has to be fetched. Undefined for a tool that the server does not list; never rejects. */
  find(child: Child, name: string): ToolFacts | undefined | Promise<ToolFacts | undefined> {
    if (this.#version === this.#scope.toolsVersion && now() < this.#believedUntil)
      return this.#tools.get(name);
    this.#loading ??= this.#load(child).finally(() => {
      this.#loading = undefined;
    });
    return this.#loading.then(() => this.#tools.get(name));
  }

  async #load(child: Child): Promise<void> {
    this.#version = this.#scope.toolsVersion;
    this.#tools = await listTools(child);
    const { listChanged } = (child.facts?.capabilities['tools'] ?? {}) as Record<string, unknown>;
    this.#believedUntil = listChanged === true ? Number.POSITIVE_INFINITY : now() + BELIEVED_MS;
  }
}

/** Empty where the server does not say: what is not known cannot be checked. */
async function listTools(child: Child): Promise<Tools> {
  const tools = new Map<string, ToolFacts>();
  if (child.facts?.capabilities['tools'] === undefined) return tools;
  let cursor: unknown;
  try {
    for (let page = 0; page < MAX_PAGES; page++) {
      const answer = await child.ask('tools/list', cursor === undefined ? {} : { cursor });
      const { tools: list, nextCursor } = parsePayload(answer);
      if (Array.isArray(list)) for (const tool of list) tools.set(String(tool?.name), factsOf(tool));
      if (answer.kind === 'error' || typeof nextCursor !== 'string') break;
      cursor = nextCursor;
    }
    return tools;
  } catch {
    return tools; // the call that wants to know meets the same trouble, and tells
  }
}

function factsOf(tool: { readonly inputSchema?: unknown; readonly outputSchema?: unknown }): ToolFacts {
  return { headers: paramHeaders(tool.inputSchema), isWrapped: isWrapped(tool.outputSchema) };
}
