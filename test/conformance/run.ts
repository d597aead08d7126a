/**
 * `npm run conformance [-- MODE … --direct --scenario NAME]`: runs the official suite through the bridge, prints
 * a table per mode, and fails on what the baselines do not know. Modes: legacy, modern, modern-on-legacy,
 * legacy-on-modern; without one, all of them. `--direct` leaves the bridge out.
 */
import { parseArgs } from 'node:util';
import { isBad, judge, type Verdict } from './baseline.ts';
import { isModeName, MODES, type ModeName, readBaseline } from './modes.ts';
import { runSuite, type ScenarioResult } from './suite.ts';
import { startBridge, startDirect } from './target.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { direct: { type: 'boolean', default: false }, scenario: { type: 'string' } },
});
const { direct, scenario } = values;

const unknown = positionals.filter((name) => !isModeName(name));
if (unknown.length > 0) {
  console.error(`Unknown mode ${unknown.join(', ')}; there are ${Object.keys(MODES).join(', ')}.`);
  process.exit(78);
}
const chosen = positionals.filter(isModeName);
const all = (Object.keys(MODES) as ModeName[]).filter(
  (name) => !direct || MODES[name].client === MODES[name].server,
);

let bad = 0;
for (const mode of chosen.length > 0 ? chosen : all) bad += await run(mode);
process.exitCode = bad === 0 ? 0 : 1;

/** Returns how many scenarios did not go as they should. */
async function run(mode: ModeName): Promise<number> {
  const { client, server, also } = MODES[mode];
  const target = await (direct ? startDirect(server) : startBridge(server));
  try {
    const results = await runSuite(client, { url: target.url, scenario, also });
    const baseline = direct ? {} : await readBaseline(mode);
    const verdicts = judge(results, baseline, { partial: scenario !== undefined });
    print(mode, results, verdicts);
    return verdicts.filter(isBad).length;
  } finally {
    await target.stop();
  }
}

function print(mode: ModeName, results: readonly ScenarioResult[], verdicts: readonly Verdict[]): void {
  const shown = verdicts.filter(({ outcome }) => outcome !== 'unscored');
  const width = Math.max(...shown.map(({ scenario: name }) => name.length), 'scenario'.length);
  const byName = new Map(results.map((result) => [result.scenario, result]));
  console.log(`\n## ${mode}${direct ? ' (without the bridge)' : ''}\n`);
  console.log(`| ${'scenario'.padEnd(width)} | result | checks |`);
  console.log(`| ${'-'.repeat(width)} | ------ | ------ |`);
  for (const { scenario: name, outcome } of shown) {
    const { passed = 0, failures = [], warnings = [] } = byName.get(name) ?? {};
    const checks = `${passed}/${passed + failures.length}${warnings.length > 0 ? ` +${warnings.length}w` : ''}`;
    console.log(`| ${name.padEnd(width)} | ${outcome.padEnd(6)} | ${checks.padEnd(6)} |`);
  }
  const notes = shown.flatMap(({ outcome, details }) => details.map((detail) => `${outcome} ${detail}`));
  for (const result of results) {
    if (result.required)
      notes.push(...result.warnings.map(({ check, message }) => `warning ${check}: ${message}`));
  }
  if (notes.length > 0) console.log(`\n${notes.join('\n')}`);
  const passed = shown.filter(({ outcome }) => outcome === 'pass').length;
  console.log(`\n${passed} of ${shown.length} pass; ${verdicts.length - shown.length} more are not scored.`);
}
