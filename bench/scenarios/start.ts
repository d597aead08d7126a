/**
 * From `node dist/index.js` to the first 200 of /ready.
 */
import { median } from '../measure.ts';
import { atMost, type Scenario } from '../scenario.ts';
import { startBridge } from '../targets/bridge.ts';

const STARTS = 5;

export const start: Scenario = {
  name: 'start',
  title: 'node dist/index.js to ready, 2 workers',
  async run(lab) {
    const seconds: number[] = [];
    for (let n = 1; n <= STARTS; n++) {
      lab.progress.step(`start ${n} of ${STARTS}`);
      const bridge = await startBridge(lab, { workers: 2 });
      seconds.push(bridge.readyAfterMs / 1000);
      await bridge.stop();
    }
    const all = seconds.map((one) => one.toFixed(2)).join(', ');
    return {
      figures: [],
      verdicts: [atMost('node dist/index.js to ready', median(seconds), 0.8, ' s')],
      notes: [`The median of ${STARTS} starts: ${all} s.`],
    };
  },
};
