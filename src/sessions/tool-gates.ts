/**
 * The ToolGate of a server and a principal, compiled once for each pair of filters.
 */
import type { ToolFilter } from '../config/settings.ts';
import { ToolGate } from '../protocol/tool-gate.ts';

export class ToolGates {
  readonly #gates = new WeakMap<ToolFilter, WeakMap<ToolFilter, ToolGate>>();

  of(server: ToolFilter, principal: ToolFilter): ToolGate {
    let ofServer = this.#gates.get(server);
    if (ofServer === undefined) {
      ofServer = new WeakMap();
      this.#gates.set(server, ofServer);
    }
    let gate = ofServer.get(principal);
    if (gate === undefined) {
      gate = new ToolGate([server, principal]);
      ofServer.set(principal, gate);
    }
    return gate;
  }
}
