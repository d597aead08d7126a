/**
 * Whether a server speaks MCP 2026-07-28, found out with a child that serves nobody: some servers exit on a method
 * that they do not know, some say nothing at all. Leaves nothing behind, and no trace in metrics or breaker.
 *
 * MCP 2026-07-28, "Discovery"; protocol revisions, "Backward Compatibility".
 */
import type { ServerDefinition } from '../config/settings.ts';
import { within } from '../deadline.ts';
import { messageOf } from '../errors.ts';
import { Child, type ChildPlaces, type ChildSurroundings, NOBODY, UNCOUNTED } from './child.ts';

export interface Probe {
  /** Undefined: it could not be tried. Never rejects. */
  readonly verdict: Promise<boolean | undefined>;
  /** Resolves when its child is gone. */
  close(): Promise<void>;
}

/** Its start included. A modern server that is slower is found out when it refuses `initialize`. */
const PATIENCE_MS = 3_000;

export function probe(server: ServerDefinition, deps: ChildSurroundings & ChildPlaces): Probe {
  let child: Child | undefined;
  let gone: Promise<void> = Promise.resolve();
  let isClosed = false;

  const close = (): Promise<void> => {
    isClosed = true;
    if (child !== undefined) {
      gone = child.close().then(deps.releaseChild);
      child = undefined;
    }
    return gone;
  };

  const ask = async (): Promise<boolean | undefined> => {
    if (!(await deps.acquireChild())) return undefined;
    if (isClosed) {
      deps.releaseChild();
      return undefined;
    }
    child = new Child(server, NOBODY, { ...deps, ...UNCOUNTED });
    const late = (): Error => new Error(`no answer within ${PATIENCE_MS} ms`);
    try {
      await within(child.discover(), PATIENCE_MS, late);
      return true;
    } catch (error) {
      deps.log.debug({ server: server.name, reason: messageOf(error) }, 'a server speaks no modern revision');
      return false;
    } finally {
      void close();
    }
  };

  return { verdict: ask(), close };
}
