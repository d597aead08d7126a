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
  /** The connection to ngrok is lost, and its agent tries to get it back. */
  readonly lost: () => void;
  /** It has it back. */
  readonly found: () => void;
  /** Loads `@ngrok/ngrok`, which is an optional dependency. */
  readonly load?: () => Promise<Ngrok>;
}

/** What is used of the package. */
export interface Ngrok {
  forward(config: {
    addr: number;
    authtoken: string;
    onStatusChange: (status: string) => void;
  }): Promise<{ url(): string | null; close(): Promise<void> }>;
}

/** Rejects with a sentence for the log. */
export async function openTunnel(options: TunnelOptions): Promise<Tunnel> {
  const { port, authToken, lost, found, load = loadNgrok } = options;
  if (authToken === undefined) {
    throw new Error('No tunnel: NGROK_AUTH_TOKEN is not set. https://dashboard.ngrok.com shows yours.');
  }
  let ngrok: Ngrok;
  try {
    ngrok = await load();
  } catch (error) {
    throw new Error(`No tunnel: the package @ngrok/ngrok does not load here: ${messageOf(error)}.`);
  }
  // "connected" also comes for the first connection, "closed" also at our own end.
  let state: 'up' | 'lost' | 'ours' = 'up';
  const onStatusChange = (status: string): void => {
    if (state === 'up' && status === 'closed') {
      state = 'lost';
      lost();
    } else if (state === 'lost' && status === 'connected') {
      state = 'up';
      found();
    }
  };
  try {
    const listener = await ngrok.forward({ addr: port, authtoken: authToken, onStatusChange });
    const url = listener.url();
    if (url === null) throw new Error('ngrok gave the tunnel no address');
    return {
      url,
      close() {
        state = 'ours';
        return listener.close();
      },
    };
  } catch (error) {
    throw new Error(`No tunnel: ${messageOf(error).replace(/\.$/, '')}.`);
  }
}

async function loadNgrok(): Promise<Ngrok> {
  const module = (await import('@ngrok/ngrok')) as unknown as Ngrok & { readonly default?: Ngrok };
  return module.default ?? module;
}
