/**
 * What a worker counts and notes of its requests: those in flight, which a drain waits for, a line and two metrics for
 * each that ended, and a line for each that failed on this side. Keeps event streams alive that say nothing.
 */
import type { Deadlines } from './deadline.ts';
import { type Exchange, type ExchangeContext, requestIds } from './http/exchange.ts';
import type { RecordRequest } from './http/request-recorder.ts';
import { type ToldError, toldErrors } from './http/send-error.ts';
import type { Logger } from './log.ts';

export interface Traffic {
  readonly context: ExchangeContext;
  /** Requests without an answer yet; streams that a client opened to listen are not counted. */
  readonly inFlight: number;
  /** Requests so far. */
  readonly begun: number;
  /** Set once: from then on every answer closes its connection. */
  draining: boolean;
  streamOpened(exchange: Exchange): void;
  close(): void;
}

/** Proxies close what is silent, the least patient after 30 s; a comment comes within twice this time. */
const KEEP_ALIVE_MS = 10_000;

export interface TrafficDeps {
  readonly log: Logger;
  readonly record: RecordRequest;
  readonly deadlines: Deadlines;
  /** Prefix of request ids: unique among all workers that ever ran. */
  readonly id: string;
}

export function createTraffic({ log, record, deadlines, id }: TrafficDeps): Traffic {
  const streams = new Set<Exchange>();
  const eventStreams = new Set<Exchange>();
  const keepAlive = setInterval(() => {
    for (const exchange of eventStreams) exchange.keepAlive();
  }, KEEP_ALIVE_MS);
  keepAlive.unref();
  const nextRequestId = requestIds(id);
  const noteFailure = (told: unknown): void => note(log, told as ToldError);
  toldErrors.subscribe(noteFailure);
  const isNoted = log.isLevelEnabled('debug');
  let begun = 0;
  let ended = 0;
  const traffic = {
    draining: false,
    get inFlight(): number {
      return begun - ended - streams.size;
    },
    get begun(): number {
      return begun;
    },
    streamOpened(exchange: Exchange): void {
      streams.add(exchange);
    },
    close(): void {
      clearInterval(keepAlive);
      toldErrors.unsubscribe(noteFailure);
    },
    context: {
      deadlines,
      closing: (): boolean => traffic.draining,
      nextRequestId(): string {
        return nextRequestId();
      },
      started(): void {
        begun++;
      },
      streaming(exchange: Exchange): void {
        eventStreams.add(exchange);
      },
      finished(exchange: Exchange, status: number, durationMs: number): void {
        ended++;
        if (streams.size > 0) streams.delete(exchange);
        if (eventStreams.size > 0) eventStreams.delete(exchange);
        const { route, requestId, request } = exchange;
        record(route, request.method, status, durationMs / 1000);
        if (isNoted) log.debug({ route, method: request.method, status, durationMs, requestId }, 'request');
      },
    },
  };
  return traffic;
}

/**
 * A failure of the bridge's or of a server's. Not what a limit or a back-off refused, which a client in a loop would fill
 * the log with, nor a server's own error, which is its answer: the metrics count them.
 */
function note(log: Logger, { error, requestId }: ToldError): void {
  const { code, status, message, retryAfterSeconds } = error;
  if (status < 500 || retryAfterSeconds !== undefined || code === 'server_error') return;
  if (code === 'internal') log.error({ err: error, requestId }, 'a request failed by a defect of the bridge');
  else log.warn({ code, reason: message, requestId }, 'a request failed');
}
