/**
 * What a modern server answered, in the shape of the legacy revisions. Members that these do not know stay where
 * they are, because every result may have some; only output that is no object is wrapped in one.
 *
 * MCP 2026-07-28, tools, "Output Schema"; 2025-11-25, the same.
 */

import { isObject } from './is-object.ts';
import { memberSpans } from './json-text.ts';

export interface InputRequired {
  readonly inputRequests: Readonly<Record<string, unknown>> | undefined;
  readonly requestState: string | undefined;
}

/** What a result asks of the client; undefined for one that is complete. */
export function inputRequired(result: string): InputRequired | undefined {
  if (!result.includes('"input_required"')) return undefined;
  const { resultType, inputRequests, requestState } = JSON.parse(result) as Record<string, unknown>;
  if (resultType !== 'input_required') return undefined;
  return {
    inputRequests: isObject(inputRequests) ? inputRequests : undefined,
    requestState: typeof requestState === 'string' ? requestState : undefined,
  };
}

/** Whether a tool's output is wrapped: the legacy revisions want an output schema of the type `object`. */
export const isWrapped = (outputSchema: unknown): boolean =>
  isObject(outputSchema) && outputSchema['type'] !== 'object';

/** The result of `tools/list`. */
export function legacyToolList(result: string): string {
  if (!result.includes('"outputSchema"')) return result;
  const list = JSON.parse(result) as Record<string, unknown>;
  if (!Array.isArray(list['tools'])) return result;
  return JSON.stringify({ ...list, tools: list['tools'].map(legacyTool) });
}

/** The result of a tool's call; `wrapped`: as its list says. */
export function legacyToolResult(result: string, wrapped: boolean): string {
  const spans = memberSpans(result, 0, ['structuredContent']);
  const span = typeof spans === 'string' ? undefined : spans[0];
  if (span === undefined || (!wrapped && result[span.start] === '{')) return result;
  const { start, end } = span;
  return `${result.slice(0, start)}{"result":${result.slice(start, end)}}${result.slice(end)}`;
}

function legacyTool(tool: Record<string, unknown>): Record<string, unknown> {
  const { outputSchema } = tool;
  if (!isWrapped(outputSchema)) return tool;
  // References into the schema are from its root; what they refer to moves along.
  const { $schema, $defs, ...own } = outputSchema as Record<string, unknown>;
  const outer = { ...($schema !== undefined && { $schema }), ...($defs !== undefined && { $defs }) };
  return {
    ...tool,
    outputSchema: { ...outer, type: 'object', properties: { result: own }, required: ['result'] },
  };
}
