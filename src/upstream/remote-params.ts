/**
 * Arguments that a remote server of MCP 2026-07-28 wants repeated as headers. Which these are stands in its tools: they
 * are learnt from the lists that pass, and asked for before the first call of a tool that was in none.
 *
 * MCP 2026-07-28, transports, "Custom Headers".
 */
import { VERSION_KEY } from '../protocol/modern-keys.ts';
import { type ParamHeader, paramHeaders, repeatedAsHeaders } from '../protocol/param-headers.ts';

type Members = Readonly<Record<string, unknown>>;

/** Asks the server for a page of its tools; undefined when there is no answer. Never rejects. */
export type AskTools = (params: Members) => Promise<Members | undefined>;

const MAX_PAGES = 100;

export class RemoteParams {
  readonly #ask: AskTools;
  readonly #tools = new Map<string, readonly ParamHeader[]>();
  #listing: Promise<void> | undefined;
  #isListed = false;

  constructor(ask: AskTools) {
    this.#ask = ask;
  }

  /** Of a message on its way out. Waits for the list of tools when it needs one. */
  async headersOf(method: string | undefined, params: Members | undefined): Promise<Record<string, string>> {
    const meta = params?.['_meta'] as Members | undefined;
    const name = params?.['name'];
    if (method !== 'tools/call' || typeof name !== 'string' || meta?.[VERSION_KEY] === undefined) return {};
    if (!this.#tools.has(name) && !this.#isListed) {
      this.#listing ??= this.#list(meta).finally(() => {
        this.#listing = undefined;
      });
      await this.#listing;
    }
    return repeatedAsHeaders(this.#tools.get(name) ?? [], params?.['arguments']);
  }

  /** A result that the server gave to whatever. */
  learn(result: Members): void {
    const { tools } = result;
    if (!Array.isArray(tools)) return;
    for (const tool of tools as Members[]) {
      if (typeof tool?.['name'] === 'string')
        this.#tools.set(tool['name'], paramHeaders(tool['inputSchema']));
    }
  }

  /** The tools are others now, or were never as they seemed. */
  forget(): void {
    this.#tools.clear();
    this.#isListed = false;
  }

  async #list({ progressToken: _ofTheCall, ...meta }: Members): Promise<void> {
    this.#isListed = true;
    let cursor: unknown;
    for (let page = 0; page < MAX_PAGES; page++) {
      const result = await this.#ask({ _meta: meta, ...(cursor !== undefined && { cursor }) });
      if (result === undefined) return;
      this.learn(result);
      cursor = result['nextCursor'];
      if (typeof cursor !== 'string') return;
    }
  }
}
