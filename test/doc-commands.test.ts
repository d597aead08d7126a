/** What README.md and docs/calling.md tell to paste, pasted: each command does what stands below it. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { type Bridge, startBridge } from './harness/bridge.ts';
import { everything } from './harness/servers.ts';

const program = promisify(execFile);

test('the calls of the README answer what it shows', { timeout: 60_000 }, async (t) => {
  const bridge = await startBridge(t, { config: { servers: { everything } } });
  const [, calls = ''] = readFileSync('README.md', 'utf8').split('\n## Calls\n');
  const [once = '', shown = '', session = '', stream = '', streamed = '', operators = '', client = ''] =
    fences(calls).slice(1);
  assert.deepEqual(JSON.parse(await pasted(bridge, once)), JSON.parse(shown));

  // One shell for all: the session of the first call goes on in the second block.
  const answers = await pasted(bridge, `${session}\nprintf '\\n--\\n'\n${stream}`);
  const [answered = '', events = ''] = answers.split('\n--\n');
  assert.match(answered, /"name":"echo"/);
  assert.match(answered, /"text":"Echo: hello"/);
  const [first = '', last = ''] = streamed.split('\n…\n').map(ofAnyStream);
  assert.ok(ofAnyStream(events).startsWith(first), `${events} does not begin with ${first}`);
  assert.ok(ofAnyStream(events).trim().endsWith(last.trim()), `${events} does not end with ${last}`);

  const asked = await pasted(bridge, operators);
  for (const part of [/"status":"ready"/, /"name":"everything"/, /^mcp_bridge_sessions\{/m])
    assert.match(asked, part);
  await assertEcho(bridge, client);
  const { servers } = JSON.parse(
    (await pasted(bridge, operators)).split('\n').find((line) => line.startsWith('{"servers"')) ?? '{}',
  );
  assert.equal(servers[0].sessions, 1, 'the program has ended its session; that of the shell is left');
});

test('the calls of docs/calling.md are answered', { timeout: 60_000 }, async (t) => {
  const bridge = await startBridge(t, { config: { servers: { everything } } });
  const blocks = fences(readFileSync('docs/calling.md', 'utf8'));
  const client = blocks.find((block) => block.includes('versionNegotiation')) ?? '';
  const byHand = blocks.find((block) => block.startsWith('curl')) ?? '';
  await assertEcho(bridge, client);
  assert.match(await pasted(bridge, byHand), /"resultType":"complete".*"text":"Echo: hello"/);
});

const fences = (text: string): string[] =>
  Array.from(text.matchAll(/^```\w*\n(.*?)^```/gms), ([, block = '']) => block);

/** Ids of events say which stream they are of, which differs from run to run. */
const ofAnyStream = (events: string): string =>
  events.replaceAll(/^id: \S+?\.(\d+\.\d+)\.\S+$/gm, 'id: $1').replaceAll(/ +$/gm, '');

const here = ({ url, token }: Bridge, text: string) => ({
  text: text.replaceAll('http://127.0.0.1:3000', url),
  env: { ...process.env, TOKEN: token },
});

async function pasted(bridge: Bridge, command: string): Promise<string> {
  const { text, env } = here(bridge, command);
  return (await program('bash', ['-c', text], { env })).stdout;
}

async function assertEcho(bridge: Bridge, source: string): Promise<void> {
  const { text, env } = here(bridge, source);
  const { stdout } = await program(process.execPath, ['--input-type=module', '--eval', text], { env });
  assert.match(stdout, /content: \[ \{ type: 'text', text: 'Echo: hello' \} \]/);
}
