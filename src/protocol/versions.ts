/**
 * The protocol revisions this bridge speaks, and the name it gives itself.
 */
import manifest from '../../package.json' with { type: 'json' };

/** Revisions with an `initialize` handshake, newest first. */
export const LEGACY_VERSIONS: readonly string[] = ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05'];

export const LATEST_LEGACY = '2025-11-25';

/** What a request without `MCP-Protocol-Version` is taken for; the last revision with JSON-RPC batches. */
export const ASSUMED_VERSION = '2025-03-26';

export const BRIDGE_VERSION = manifest.version;

/** How the bridge introduces itself to servers it initialises on its own behalf. */
export const CLIENT_INFO = { name: 'mcp-bridge', version: BRIDGE_VERSION } as const;

export const LATEST_MODERN = '2026-07-28';

/** Revisions without a handshake, newest first; every request names its own. */
export const MODERN_VERSIONS: readonly string[] = [LATEST_MODERN];

/** With a handshake, or stateless. */
export type Era = 'legacy' | 'modern';

/** Whether a version is of the stateless line, known here or not. */
export const isModernVersion = (version: string): boolean =>
  version > LATEST_LEGACY && /^\d{4}-\d{2}-\d{2}$/.test(version);
