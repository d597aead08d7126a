/**
 * Whether a server starts at all, found out with one child that serves nobody: before a reload lets a definition
 * take the place of one that works. Leaves nothing behind, and no trace in the metrics or the breaker of the server.
 */
import type { ServerDefinition } from '../config/settings.ts';
import { messageOf } from '../errors.ts';
import { Child, type ChildPlaces, type ChildSurroundings, NOBODY, UNCOUNTED } from './child.ts';

/** Starts and initialises a child, and ends it. Resolves with the reason why it cannot be had; never rejects. */
export async function tryServer(
  server: ServerDefinition,
  deps: ChildSurroundings & ChildPlaces,
): Promise<string | undefined> {
  if (!(await deps.acquireChild())) {
    return `Server "${server.name}" needs one more child for its trial than MAX_CHILDREN allows the whole bridge.`;
  }
  const child = new Child(server, NOBODY, { ...deps, ...UNCOUNTED });
  try {
    await child.initialize({});
    return undefined;
  } catch (error) {
    return messageOf(error);
  } finally {
    await child.close();
    deps.releaseChild();
  }
}
