import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judge } from './baseline.ts';
import type { ScenarioResult } from './suite.ts';

const scenario = (name: string, failed: readonly string[] = [], required = true): ScenarioResult => ({
  scenario: name,
  required,
  passed: 1,
  failures: failed.map((check) => ({ check: `${name}:${check}`, message: 'was wrong' })),
  warnings: [],
});

const outcomes = (verdicts: ReturnType<typeof judge>): readonly string[] =>
  verdicts.map(({ scenario, outcome }) => `${scenario} ${outcome}`);

test('a scenario without failures passes, one with an unlisted failure fails', () => {
  const verdicts = judge([scenario('ping'), scenario('tools', ['list'])], {});
  assert.deepEqual(outcomes(verdicts), ['ping pass', 'tools FAIL']);
  assert.deepEqual(verdicts[1]?.details, ['tools:list: was wrong']);
});

test('a listed check may fail, and no other one of its scenario', () => {
  const baseline = { 'tools:list': 'cannot be' };
  assert.deepEqual(outcomes(judge([scenario('tools', ['list'])], baseline)), ['tools known']);
  assert.deepEqual(outcomes(judge([scenario('tools', ['list', 'call'])], baseline)), ['tools FAIL']);
});

test('an entry whose check passes, or whose scenario is gone, is stale', () => {
  const verdicts = judge([scenario('tools')], { 'tools:list': 'cannot be', 'gone:check': 'cannot be' });
  assert.deepEqual(outcomes(verdicts), ['tools STALE', 'gone STALE']);
});

test('a run of one scenario does not judge the entries of others', () => {
  assert.deepEqual(outcomes(judge([scenario('ping')], { 'tools:list': 'no' }, { partial: true })), [
    'ping pass',
  ]);
});

test('a scenario that is not required never fails a run', () => {
  assert.deepEqual(outcomes(judge([scenario('tasks', ['get'], false)], {})), ['tasks unscored']);
});
