/**
 * What the policy of /bridge said of a call, remembered: it says the same of the same words as long as the settings
 * stay. Calls that set variables are asked about each time.
 */
import type { Settings } from '../config/settings.ts';
import type { Principal } from '../http/principal.ts';
import type { BridgeCall } from '../protocol/bridge-call.ts';
import { type Resolved, resolveBridgeCall } from './bridge-policy.ts';

/** Per principal; ad-hoc commands may come in any number. */
const MAX_REMEMBERED = 256;

export class BridgeResolutions {
  readonly #cwd: string;
  #settings: Settings | undefined;
  #known = new WeakMap<Principal, Map<string, Resolved>>();

  /** `cwd`: where ad-hoc commands run. */
  constructor(cwd: string) {
    this.#cwd = cwd;
  }

  /** As `resolveBridgeCall`; what it throws is not remembered. */
  resolve(call: BridgeCall, principal: Principal, settings: Settings): Resolved {
    const input = { settings, cwd: this.#cwd };
    for (const _name in call.env) return resolveBridgeCall(call, principal, input);
    if (settings !== this.#settings) {
      this.#settings = settings;
      this.#known = new WeakMap();
    }
    const known = this.#known.get(principal) ?? new Map<string, Resolved>();
    const words = wordsOf(call);
    let resolved = known.get(words);
    if (resolved === undefined) {
      resolved = resolveBridgeCall(call, principal, input);
      if (known.size >= MAX_REMEMBERED) known.clear();
      this.#known.set(principal, known.set(words, resolved));
    }
    return resolved;
  }
}

/** No two calls with different words have the same: a list begins with a bracket, a path alone with a space. */
function wordsOf({ serverPath, args }: BridgeCall): string {
  return args.length === 0 ? ` ${serverPath}` : JSON.stringify([serverPath, ...args]);
}
