/**
 * Opens many sessions as fast as they are answered.
 */
import { INITIALIZE, INITIALIZED } from '../targets/session.ts';
import type { Target } from '../targets/target.ts';
import { wireRequest } from './plan.ts';
import { Wire } from './wire.ts';

export interface Opened {
  readonly sessions: readonly string[];
  readonly seconds: number;
}

/** Opens `count` sessions over `connections` connections; rejects at the first that fails. */
export async function openMany(
  target: Target,
  path: string,
  { count, connections }: { readonly count: number; readonly connections: number },
): Promise<Opened> {
  const to = { port: target.port, path, headers: target.headers };
  const initialize = wireRequest(to, { body: INITIALIZE });
  const sessions: string[] = [];
  let begun = 0;
  const wires = await Promise.all(Array.from({ length: connections }, () => Wire.open(target.port)));
  const started = performance.now();
  const work = async (wire: Wire): Promise<void> => {
    while (begun < count) {
      begun++;
      const { status, head, body } = await wire.ask(initialize);
      const id = /\r\nmcp-session-id: *(\S+)/i.exec(head)?.[1];
      if (status !== 200 || id === undefined) {
        throw new Error(`Session ${sessions.length + 1} was refused with ${status}: ${body.slice(0, 300)}`);
      }
      const headers = { 'Mcp-Session-Id': id };
      const confirmed = await wire.ask(wireRequest(to, { body: INITIALIZED, headers }));
      if (confirmed.status !== 202) {
        throw new Error(`notifications/initialized got ${confirmed.status}: ${confirmed.body.slice(0, 300)}`);
      }
      sessions.push(id);
    }
  };
  try {
    await Promise.all(wires.map(work));
  } finally {
    for (const wire of wires) wire.close();
  }
  return { sessions, seconds: (performance.now() - started) / 1000 };
}
