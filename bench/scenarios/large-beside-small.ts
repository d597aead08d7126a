/**
 * Twenty results of 5 MB a second on one server: what they do to small calls on another, and to the memory.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Apart } from '../load/apart.ts';
import { echoCalls, largeCall } from '../load/calls.ts';
import type { LoadResult } from '../load/plan.ts';
import { alternate, type Contender, contender, named } from '../measure.ts';
import { gatewayPids, rssMib } from '../proc.ts';
import { atLeast, atMost, CONNECTIONS, pick, type Scenario } from '../scenario.ts';
import { startBridge } from '../targets/bridge.ts';
import { CHILD_MARK } from '../targets/target.ts';

const BYTES = 5_000_000;
const PER_SECOND = 20;
const SETTLE_MS = 10_000;
/** What a heap may keep for next time. */
const KEPT_MIB = 64;

export const largeBesideSmall: Scenario = {
  name: 'large-beside-small',
  title: '20 results of 5 MB a second on one server, small calls on another, 32 connections, 1 worker',
  async run(lab) {
    const bridge = await startBridge(lab, { workers: 1 });
    const rss = (): number => rssMib(gatewayPids(bridge.pid, CHILD_MARK));
    const asks = echoCalls();
    const plan = { path: '/mcp/shared', asks, connections: CONNECTIONS, check: { kind: 'rpc' } } as const;
    const alone = named('bridge, small calls alone', contender(lab, bridge, plan));
    await alone.drive(1);
    const rssBefore = rss();

    const { port, headers } = bridge;
    const order = {
      port,
      headers,
      path: '/mcp/large',
      ask: largeCall(BYTES),
      perSecond: PER_SECOND,
      minBytes: BYTES,
    };
    const reader = await Apart.start(lab);
    const tally = { large: 0, seconds: 0 };
    const beside: Contender = {
      ...alone,
      name: 'bridge, small calls beside large',
      async drive(seconds): Promise<LoadResult> {
        const large = await reader.begin('steady', order);
        const result = await alone.drive(seconds);
        const { received, seconds: spent, errors, sample } = await large.end();
        tally.large += received;
        tally.seconds += spent;
        return {
          ...result,
          errors: result.errors + errors,
          sample: result.sample === '' ? sample : result.sample,
        };
      },
    };
    const figures = await alternate(lab, [alone, beside]);
    lab.progress.step('waiting for the memory to come back');
    await sleep(SETTLE_MS);
    const kept = rss() - rssBefore;
    const without = pick(figures, 'bridge, small calls alone');
    const besideLarge = pick(figures, 'bridge, small calls beside large');
    return {
      figures,
      verdicts: [
        atMost('small calls beside large results: p99 of without', besideLarge.p99Us / without.p99Us, 3, 'x'),
        atMost('large results: memory kept 10 s after', kept, KEPT_MIB, ' MiB'),
        atLeast('large results received', tally.large / tally.seconds, PER_SECOND * 0.95, '/s'),
      ],
      notes: [`RSS ${rssBefore.toFixed(0)} MiB before, ${besideLarge.rssMib.toFixed(0)} MiB at most.`],
    };
  },
};
