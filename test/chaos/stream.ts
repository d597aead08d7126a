/** A session's GET stream, kept open and listened to: an answer on it is a wrong answer, whoever asked. */
import { request } from 'node:http';
import { eventReader } from '../harness/event-reader.ts';
import type { Tally } from './tally.ts';

export interface StreamOrder {
  readonly port: number;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly tally: Tally;
}

/** Returns what closes it. That the bridge ends it is no failure: its session's process may be gone. */
export function openStream({ port, path, headers, tally }: StreamOrder): () => void {
  const outgoing = request({ host: '127.0.0.1', port, path, headers, agent: false });
  const end = (): void => {
    outgoing.destroy();
  };
  outgoing.on('error', end);
  outgoing.once('response', (incoming) => {
    const read = eventReader(({ data }) => {
      if (data === '') return;
      const message = JSON.parse(data) as { readonly id?: unknown; readonly method?: string };
      if (message.method !== undefined) return;
      tally.count({ kind: 'wrong', why: `an answer on a GET stream: ${data.slice(0, 200)}` }, path);
    });
    if (incoming.statusCode === 200) incoming.setEncoding('utf8').on('data', read);
    else incoming.resume();
    incoming.on('error', end);
  });
  outgoing.end();
  return end;
}
