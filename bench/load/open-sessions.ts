/**
 * Opens sessions over raw connections: as fast as they are answered, or one by one with little of the client's own time.
 */
import { INITIALIZE, INITIALIZED } from '../targets/session.ts';
import { type LoadPlan, wireRequest } from './plan.ts';
import { Wire } from './wire.ts';

export interface Opened {
  readonly sessions: readonly string[];
  readonly seconds: number;
}

/** Where sessions are opened, and with which headers. */
export type Destination = Pick<LoadPlan, 'port' | 'path' | 'headers'>;

/** Opens one session over `wire`: its id. */
export async function openOn(wire: Wire, to: Destination): Promise<string> {
  const { status, head, body } = await wire.ask(wireRequest(to, { body: INITIALIZE }));
  const id = /\r\nmcp-session-id: *(\S+)/i.exec(head)?.[1];
  if (status !== 200 || id === undefined) {
    throw new Error(`A session was refused with ${status}: ${body.slice(0, 300)}`);
  }
  const headers = { 'Mcp-Session-Id': id };
  const confirmed = await wire.ask(wireRequest(to, { body: INITIALIZED, headers }));
  if (confirmed.status !== 202) {
    throw new Error(`notifications/initialized got ${confirmed.status}: ${confirmed.body.slice(0, 300)}`);
  }
  return id;
}

/** Opens `count` sessions over `connections` connections; rejects at the first that fails. */
export async function openMany(
  to: Destination,
  { count, connections }: { readonly count: number; readonly connections: number },
): Promise<Opened> {
  const sessions: string[] = [];
  let begun = 0;
  const wires = await Promise.all(Array.from({ length: connections }, () => Wire.open(to.port)));
  const started = performance.now();
  const work = async (wire: Wire): Promise<void> => {
    while (begun < count) {
      begun++;
      sessions.push(await openOn(wire, to));
    }
  };
  try {
    await Promise.all(wires.map(work));
  } finally {
    for (const wire of wires) wire.close();
  }
  return { sessions, seconds: (performance.now() - started) / 1000 };
}
