/**
 * Which engine serves here. The only place that loads uWebSockets.js: an optional dependency whose binaries exist
 * for some platforms and C libraries only.
 */
import { messageOf } from '../errors.ts';
import { type HttpEngine, MAX_HEAD_BYTES } from './engine.ts';
import { createNodeEngine } from './node-engine.ts';
import { createUwsEngine, type UwsModule } from './uws-engine.ts';

/**
 * `auto` is uWebSockets.js where it loads, else node:http with one warning that says why. Rejects when `uws` is
 * wanted and does not load.
 */
export async function selectEngine(
  wanted: 'auto' | 'uws' | 'node',
  warn: (sentence: string) => void,
  load: () => Promise<UwsModule> = loadUws,
): Promise<HttpEngine> {
  if (wanted === 'node') return createNodeEngine();
  try {
    return createUwsEngine(await load());
  } catch (error) {
    const reason = firstLine(messageOf(error));
    if (wanted === 'uws') {
      throw new Error(`HTTP_ENGINE is uws, but uWebSockets.js does not load here: ${reason}`, {
        cause: error,
      });
    }
    warn(`uWebSockets.js does not load here, so node:http serves instead, more slowly: ${reason}`);
    return createNodeEngine();
  }
}

async function loadUws(): Promise<UwsModule> {
  // Read by its binary while it loads; its default of 4 KB is less than some tokens.
  process.env['UWS_HTTP_MAX_HEADERS_SIZE'] ??= String(MAX_HEAD_BYTES);
  const { default: uws } = (await import('uWebSockets.js')) as unknown as { default: QuietableUws };
  // Takes its advertisement out of every answer; older builds may not have it.
  uws._cfg?.('silent');
  return uws;
}

interface QuietableUws extends UwsModule {
  _cfg?(key: string): void;
}

const firstLine = (text: string): string => text.split('\n', 1)[0] ?? text;
