/**
 * From a request to its route: the gate first, then path and method. The one place where whatever a route throws
 * becomes an answer.
 */
import { asBridgeError, BridgeError } from '../errors.ts';
import type { RawRequest, RawResponse } from '../http/engine.ts';
import { Exchange, type ExchangeContext } from '../http/exchange.ts';
import type { Gate } from '../http/gate.ts';
import { type ErrorShape, sendError } from '../http/send-error.ts';

export interface Route {
  /** As in metrics and docs: `/mcp/:serverId`. */
  readonly label: string;
  readonly methods: readonly string[];
  readonly shape: ErrorShape;
  /** `parameter` is what stands for `:name`, not decoded; empty where the path has none. May throw BridgeError. */
  handle(exchange: Exchange, parameter: string): void | Promise<void>;
}

interface Match {
  readonly path: string;
  readonly route: Route | undefined;
  readonly parameter: string;
}

export interface RouterDeps {
  readonly gate: Gate;
  readonly context: ExchangeContext;
  readonly routes: readonly Route[];
}

export function createRouter(deps: RouterDeps): (request: RawRequest, response: RawResponse) => void {
  const { gate, context } = deps;
  const exact = new Map<string, Route>();
  const prefixed: { readonly prefix: string; readonly route: Route }[] = [];
  for (const route of deps.routes) {
    const colon = route.label.indexOf(':');
    if (colon === -1) exact.set(route.label, route);
    else prefixed.push({ prefix: route.label.slice(0, colon), route });
  }

  const find = (path: string): Match => {
    for (const { prefix, route } of prefixed)
      if (path.startsWith(prefix)) return { path, route, parameter: path.slice(prefix.length) };
    return { path, route: exact.get(path), parameter: '' };
  };

  // The same path comes again and again: of equal parameters the one before has its hash already.
  let last = find('/');

  const refuse = (exchange: Exchange, thrown: unknown, shape: ErrorShape): void => {
    sendError(exchange, asBridgeError(thrown), shape);
  };

  return (request, response) => {
    const exchange = new Exchange(context, request, response);
    if (last.path !== request.path) last = find(request.path);
    const { route, parameter } = last;
    const shape = route?.shape ?? 'http';
    try {
      exchange.allowOrigin(gate.check(request));
      if (request.method === 'OPTIONS') {
        gate.preflight(request, exchange);
        return;
      }
      if (route === undefined) {
        throw new BridgeError('not_found', `There is nothing at "${request.path.slice(0, 200)}".`);
      }
      exchange.route = route.label;
      if (!route.methods.includes(request.method)) {
        const allowed = route.methods.join(', ');
        throw new BridgeError(
          'method_not_allowed',
          `${route.label} takes ${allowed}; found ${request.method.slice(0, 20)}.`,
          {
            headers: [['Allow', allowed]],
          },
        );
      }
      const handled = route.handle(exchange, parameter);
      handled?.catch((error: unknown) => refuse(exchange, error, shape));
    } catch (error) {
      refuse(exchange, error, shape);
    }
  };
}

/** A parameter as its name; what is not valid percent-encoding cannot name anything. */
export function decodeParameter(parameter: string): string {
  if (!parameter.includes('%')) return parameter;
  try {
    return decodeURIComponent(parameter);
  } catch {
    throw new BridgeError('not_found', `"${parameter.slice(0, 200)}" is not valid percent-encoding.`);
  }
}
