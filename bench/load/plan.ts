/**
 * What one run of load sends and what a right answer is; the same plan drives wrk, autocannon and the pinned client.
 */

/** How an answer is checked, not just its status; the Lua scripts in wrk/ hold the same four rules. */
export type Check =
  /** JSON-RPC: the echoed text belongs to the id. */
  | { readonly kind: 'rpc' }
  /** POST /bridge: a bare result of echo. */
  | { readonly kind: 'result' }
  /** SSE: `steps` progress events in order, with the token of the call, then the result. */
  | { readonly kind: 'progress'; readonly steps: number }
  /** Exactly this text. */
  | { readonly kind: 'constant'; readonly text: string };

export interface Ask {
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface LoadPlan {
  readonly port: number;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Sent in turn, over and over. */
  readonly asks: readonly Ask[];
  readonly connections: number;
  readonly check: Check;
}

export interface LoadResult {
  readonly requests: number;
  readonly seconds: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** Wrong or missing answers: bad text, bad status, broken connections, time-outs. */
  readonly errors: number;
  /** The first wrong answer, shortened; empty when all were right. */
  readonly sample: string;
}

/** One request as bytes on the wire (ASCII). */
export function wireRequest(
  { port, path, headers }: Pick<LoadPlan, 'port' | 'path' | 'headers'>,
  ask: Ask,
): string {
  const fields = { Host: `127.0.0.1:${port}`, ...headers, ...ask.headers };
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  const length = Buffer.byteLength(ask.body);
  return `POST ${path} HTTP/1.1\r\n${lines.join('')}Content-Length: ${length}\r\n\r\n${ask.body}`;
}

/** Whether `body` (of a 200) is right. */
export function isRight(check: Check, body: string): boolean {
  switch (check.kind) {
    case 'constant':
      return body === check.text;
    case 'result':
      return /^{"content":\[{"type":"text","text":"echo \d+"}\]}$/.test(body);
    case 'rpc':
      return echoesItsId(body);
    case 'progress':
      return echoesItsId(body) && progressSteps(body) === check.steps;
  }
}

function echoesItsId(body: string): boolean {
  const id = /"id":(\d+)/.exec(body)?.[1];
  return id !== undefined && body.includes(`"text":"echo ${id}"`);
}

/** Progress events in `body`; NaN when one is out of order or belongs to another call. */
function progressSteps(body: string): number {
  const id = /"id":(\d+)/.exec(body)?.[1];
  let seen = 0;
  for (const [, params = ''] of body.matchAll(/"notifications\/progress","params":({[^}]*})/g)) {
    seen++;
    if (!new RegExp(`"progressToken":${id}[,}]`).test(params)) return Number.NaN;
    if (!new RegExp(`"progress":${seen}[,}]`).test(params)) return Number.NaN;
  }
  return seen;
}
