/**
 * Which tools a principal may use of a server: the filters of both, applied to calls and to lists alike.
 */
import type { ToolFilter } from '../config/settings.ts';
import { compileGlob } from './glob.ts';

export class ToolGate {
  readonly #filters: readonly CompiledFilter[];
  /** Whether nothing is filtered, so that lists need not be looked at. */
  readonly isOpen: boolean;

  /** A tool must pass every filter. */
  constructor(filters: readonly ToolFilter[]) {
    this.#filters = filters.map(({ allow, deny }) => ({
      allow: allow?.map(compileGlob),
      deny: deny?.map(compileGlob),
    }));
    this.isOpen = filters.every(({ allow, deny }) => allow === undefined && deny === undefined);
  }

  /** `name` undefined: a call that names no tool passes only where nothing is filtered. */
  allows(name: string | undefined): boolean {
    if (this.isOpen) return true;
    return this.#filters.every(({ allow, deny }) => {
      if (allow === undefined && deny === undefined) return true;
      if (name === undefined || deny?.some((matches) => matches(name))) return false;
      return allow === undefined || allow.some((matches) => matches(name));
    });
  }

  /** The result of `tools/list` without the tools that are denied. */
  filterList(result: Record<string, unknown>): Record<string, unknown> {
    const { tools } = result;
    if (!Array.isArray(tools)) return result;
    return { ...result, tools: tools.filter((tool: { name?: unknown }) => this.allows(String(tool?.name))) };
  }
}

interface CompiledFilter {
  readonly allow: readonly Matcher[] | undefined;
  readonly deny: readonly Matcher[] | undefined;
}

type Matcher = (name: string) => boolean;
