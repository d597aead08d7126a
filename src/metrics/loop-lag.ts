/**
 * The longest delay of this event loop, in a window that no reader can empty for another: heartbeats come every
 * two seconds, scrapes every fifteen, and both must see the same stall.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';

const RESOLUTION_MS = 20;
const WINDOW_MS = 15_000;

export interface LoopLag {
  /** Seconds; the maximum of this window and the one before it. */
  seconds(): number;
  close(): void;
}

export function createLoopLag(): LoopLag {
  const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delays.enable();
  let previousMs = 0;
  // The monitor measures from tick to tick, so its own step is part of every value.
  const currentMs = (): number => Math.max(0, delays.max / 1e6 - RESOLUTION_MS);
  const timer = setInterval(() => {
    previousMs = currentMs();
    delays.reset();
  }, WINDOW_MS);
  timer.unref();
  return {
    seconds: () => Math.max(previousMs, currentMs()) / 1000,
    close: () => {
      clearInterval(timer);
      delays.disable();
    },
  };
}
