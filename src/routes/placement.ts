/**
 * Which worker serves a call. Sessions live with the worker their id names; without a session, what may share a
 * child goes where that child is. Every worker comes to the same answer from the same roster.
 */
import type { ServerDefinition } from '../config/settings.ts';
import { isResumable, workerOf } from '../sessions/session-id.ts';
import { type Roster, rank } from '../shard/roster.ts';

export interface Placement {
  /** The owner of a session; undefined: this worker. The server may be one that is not configured any more. */
  ofSession(id: string, server: ServerDefinition | undefined): string | undefined;
  /** A worker by its id; undefined: this worker, also where that one is gone. */
  ofWorker(id: string): string | undefined;
  /** The owner of what the key's scope shares; undefined: this worker. */
  ofScope(server: ServerDefinition, principal: string): string | undefined;
  /** Where a session with a child of its own is opened; undefined: here. */
  forNewChild(): string | undefined;
}

export function createPlacement(roster: Roster, self: string): Placement {
  let turn = 0;
  const other = (id: string | undefined): string | undefined => (id === self ? undefined : id);

  /** The workers that may hold children of a shared server. */
  const holders = (server: ServerDefinition) =>
    roster.owners(`shared ${server.name}`, server.instances === 0 ? roster.size : server.instances);

  return {
    ofSession(id, server) {
      const opener = roster.get(workerOf(id));
      if (opener !== undefined && opener.state !== 'draining') return other(opener.id);
      if (server?.isolation !== 'shared' || !isResumable(id)) return other(opener?.id);
      // Before the worker that drains ends it: all that such a session is stands in its id.
      return other(rank(id, holders(server))[0]?.id ?? opener?.id);
    },
    ofWorker: (id) => other(roster.get(id)?.id),
    ofScope(server, principal) {
      if (server.isolation === 'shared') {
        const everywhere = server.instances === 0 || server.instances >= roster.size;
        if (everywhere && roster.isReady(self)) return undefined;
      } else {
        return other(roster.owners(`${principal} ${server.name}`, 1)[0]?.id);
      }
      const able = holders(server);
      if (able.length === 0 || able.some(({ id }) => id === self)) return undefined;
      turn = (turn + 1) % able.length;
      return able[turn]?.id;
    },
    forNewChild() {
      // A worker that drains is not among the ready ones: whoever comes now would be sent away soon.
      if (roster.get(self)?.state !== 'draining') return undefined;
      return roster.owners('new child', 1)[0]?.id;
    },
  };
}
