/**
 * `--tunnel`: the bridge's port under a public ngrok address. Its agent reconnects by itself. Without a token, the
 * package or a network the bridge goes on locally; the sentence says which of them is missing.
 */
import { messageOf } from '../errors.ts';

export interface Tunnel {
  /** Origin of the public address: `https://NAME`. */
  readonly url: string;
  close(): Promise<void>;
}

export interface TunnelOptions {
  readonly port: number;
  readonly authToken: string | undefined;
  /** Loads `@ngrok/ngrok`, which is an optional dependency. */
  readonly load?: () => Promise<Ngrok>;
}

/** What is used of the package. */
export interface Ngrok {
  forward(config: {
    addr: number;
    authtoken: string;
  }): Promise<{ url(): string | null; close(): Promise<void> }>;
}

/** Rejects with a sentence for the log. */
export async function openTunnel({ port, authToken, load = loadNgrok }: TunnelOptions): Promise<Tunnel> {
  if (authToken === undefined) {
    throw new Error('No tunnel: NGROK_AUTH_TOKEN is not set. https://dashboard.ngrok.com shows yours.');
  }
  let ngrok: Ngrok;
  try {
    ngrok = await load();
  } catch (error) {
    throw new Error(`No tunnel: the package @ngrok/ngrok does not load here: ${messageOf(error)}.`);
  }
  try {
    const listener = await ngrok.forward({ addr: port, authtoken: authToken });
    const url = listener.url();
    if (url === null) throw new Error('ngrok gave the tunnel no address');
    return { url, close: () => listener.close() };
  } catch (error) {
    throw new Error(`No tunnel: ${messageOf(error)}.`);
  }
}

async function loadNgrok(): Promise<Ngrok> {
  const module = (await import('@ngrok/ngrok')) as unknown as Ngrok & { readonly default?: Ngrok };
  return module.default ?? module;
}
