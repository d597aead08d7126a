/**
 * The process of apart.ts: begins and ends loads as it is told.
 */
import { startAbuse } from './abuse.ts';
import type { Command } from './apart.ts';
import { startSteady } from './steady.ts';

const LOADS = { abuse: startAbuse, steady: startSteady };

let running: { stop(): unknown } | undefined;

process.on('message', async (command: Command) => {
  if ('end' in command) {
    const told = await running?.stop();
    process.send?.(told);
    return;
  }
  running = LOADS[command.begin](command.order as never);
  process.send?.('begun');
});
process.on('disconnect', () => process.exit());
process.send?.('ready');
