/**
 * Whether a server starts at all, found out with one child that serves nobody: before a reload lets a definition
 * take the place of one that works. Leaves nothing behind, and no trace in the metrics or the breaker of the server.
 */
import type { ServerDefinition } from '../config/settings.ts';
import { messageOf } from '../errors.ts';
import { Child, type ChildDeps, NOBODY } from './child.ts';

export interface TrialDeps extends Omit<ChildDeps, 'finished' | 'queued' | 'ended'> {
  /** Counts a child against the limit of the whole bridge; false when it is reached. */
  readonly acquireChild: () => Promise<boolean>;
  readonly releaseChild: () => void;
}

/** Starts and initialises a child, and ends it. Resolves with the reason why it cannot be had; never rejects. */
export async function tryServer(server: ServerDefinition, deps: TrialDeps): Promise<string | undefined> {
  if (!(await deps.acquireChild())) {
    return `Server "${server.name}" needs one more child for its trial than MAX_CHILDREN allows the whole bridge.`;
  }
  const uncounted = { finished: () => undefined, queued: () => undefined, ended: () => undefined };
  const child = new Child(server, NOBODY, { ...deps, ...uncounted });
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
