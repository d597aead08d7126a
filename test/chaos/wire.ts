/**
 * One HTTP request of the load, and how it ended: with a whole answer, with a broken connection, by our own leaving,
 * or not at all. Judges no content.
 */
import { Agent, type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';

/**
 * The longest any answer may take: a worker that is stopped goes 10 s later, and whoever was waiting for it may then
 * meet a child that is stopped, for REQUEST_TIMEOUT_MS.
 */
export const HANG_MS = 20_000;

export type Ending =
  | {
      readonly kind: 'answered';
      readonly status: number;
      readonly headers: IncomingHttpHeaders;
      readonly text: string;
    }
  | { readonly kind: 'broken'; readonly reason: string }
  /** We left, as was asked for. */
  | { readonly kind: 'left' }
  | { readonly kind: 'hung' };

export interface Ask {
  readonly port: number;
  readonly method: 'POST' | 'GET' | 'DELETE';
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Left out: a connection of its own. */
  readonly agent?: Agent | undefined;
  /** Cuts the connection. */
  readonly leave?: AbortSignal | undefined;
}

/** Never rejects. */
export function ask({ port, method, path, headers, body, agent, leave }: Ask): Promise<Ending> {
  return new Promise((resolve) => {
    const outgoing = request({
      host: '127.0.0.1',
      port,
      method,
      path,
      agent: agent ?? false,
      headers: { ...headers, ...(body !== undefined && { 'Content-Length': Buffer.byteLength(body) }) },
    });
    const settle = (ending: Ending): void => {
      clearTimeout(timer);
      leave?.removeEventListener('abort', left);
      resolve(ending);
      if (ending.kind !== 'answered') outgoing.destroy();
    };
    const left = (): void => settle({ kind: 'left' });
    const broke = (error: NodeJS.ErrnoException): void =>
      settle({ kind: 'broken', reason: error.code ?? error.message });
    const timer = setTimeout(() => settle({ kind: 'hung' }), HANG_MS);
    leave?.addEventListener('abort', left, { once: true });
    outgoing.on('error', broke);
    outgoing.once('response', (incoming: IncomingMessage) => {
      const parts: Buffer[] = [];
      incoming.on('data', (part: Buffer) => parts.push(part));
      incoming.on('error', broke);
      incoming.once('end', () => {
        const { statusCode: status = 0, headers: answered } = incoming;
        settle({ kind: 'answered', status, headers: answered, text: Buffer.concat(parts).toString() });
      });
    });
    outgoing.end(body);
    if (leave?.aborted) left();
  });
}

/** One client's kept-alive connection. */
export const keptAlive = (): Agent => new Agent({ keepAlive: true, maxSockets: 4 });
