import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { HELP, parseCommandLine } from './cli.ts';
import { renderFault } from './config/fault.ts';

const faults = (...args: string[]): string[] => {
  const command = parseCommandLine(args);
  return command.kind === 'faults' ? command.faults.map(renderFault) : [`no fault: ${command.kind}`];
};

test('options and a command after "--" become what load takes', () => {
  const args = [
    '--config',
    'a.yaml',
    '--host=::1',
    '--port',
    '0',
    '--workers',
    'auto',
    '--',
    'npx',
    '-y',
    '--check',
  ];
  assert.deepEqual(parseCommandLine(args), {
    kind: 'run',
    tunnel: false,
    options: { config: 'a.yaml', host: '::1', port: 0, workers: 'auto', command: ['npx', '-y', '--check'] },
  });
});

test('without anything the bridge runs on what it finds', () => {
  assert.deepEqual(parseCommandLine([]), { kind: 'run', tunnel: false, options: {} });
});

test('each other way to call it is told apart', () => {
  const kinds = ['--check', '--reload', '--version', '-v', '--help', '-h'].map(
    (flag) => parseCommandLine([flag]).kind,
  );
  assert.deepEqual(kinds, ['check', 'reload', 'version', 'version', 'help', 'help']);
});

test('all faults are named together, an unknown option with the nearest known one', () => {
  assert.deepEqual(faults('--prot', '80', '--workers', 'many', '--check=yes'), [
    'command line --prot: unknown option; did you mean "--port"?',
    'command line: unexpected "80"; the command of a stdio server stands after "--"',
    'command line --check: found "yes"; allowed: no value',
    'command line --workers: found "many"; allowed: auto or a whole number',
  ]);
});

test('an option without its value does not swallow the next one', () => {
  assert.deepEqual(faults('--config', '--check'), [
    'command line --config: found "--check"; allowed: a value after it',
  ]);
  assert.deepEqual(faults('--port'), ['command line --port: found nothing; allowed: a value after it']);
});

test('names of Object.prototype are options as unknown as any', () => {
  assert.match(faults('--constructor')[0] ?? '', /^command line --constructor: unknown option/);
});

test('nothing after "--" is a fault', () => {
  assert.deepEqual(faults('--'), ['command line --: nothing stands after it; allowed: COMMAND ARGS…']);
});

test('docs/configuration.md has every option of --help', () => {
  const page = readFileSync(new URL('../docs/configuration.md', import.meta.url), 'utf8');
  const [, section = ''] = page.split('## Command line');
  const options = Array.from(HELP.matchAll(/^ {2}(--[a-z]+)/gm), ([, option = '']) => option);
  assert.equal(options.length, 9);
  assert.deepEqual(
    options.filter((option) => !section.includes(`\`${option}`)),
    [],
  );
});
