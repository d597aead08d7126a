/**
 * What a client of 2026-07-28 should not send: both eras at once, a state that is old, used, of somebody else or of a
 * worker that is gone, answers and capabilities of wrong shapes. And servers that answer the question for their era
 * with nonsense.
 */
import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Bridge, startBridge } from './harness/bridge.ts';
import { openDoor } from './harness/door.ts';
import { assertRpcError } from './harness/expect.ts';
import { callModern, type ModernHow, modernRequest, VERSION } from './harness/modern.ts';
import { descendants, isAlive } from './harness/process.ts';
import * as rpc from './harness/rpc.ts';
import { echo, misbehave } from './harness/servers.ts';
import { until } from './harness/until.ts';
import { wholeFile } from './harness/whole-file.ts';

const OTHER_TOKEN = 'another-principal-0123456789';
const legacy = { command: process.execPath, args: [resolve('test/conformance/legacy-server.mjs')] };

/** Members of an answer to `server/discover` that say nothing. */
const ODD_PROBES: Readonly<Record<string, string>> = {
  'a number': '"result":7',
  'an empty result': '"result":{}',
  'an array': '"result":[1]',
  'versions that are a string': `"result":{"supportedVersions":"${VERSION}","capabilities":{}}`,
  'versions of nowhere': '"result":{"supportedVersions":["1999-01-01",7,null],"capabilities":{}}',
  'capabilities that are none': `"result":{"supportedVersions":["${VERSION}"],"capabilities":7}`,
  'an error without a code': '"error":{}',
  'an error of the protocol without data': '"error":{"code":-32022,"message":"no"}',
  'an error that names what it does not speak':
    '"error":{"code":-32022,"message":"no","data":{"supported":"all"}}',
  'no member at all': '"x":1',
};

const odd = (what: string): string => `odd-${Object.keys(ODD_PROBES).indexOf(what)}`;

let bridge: Bridge;
const file = wholeFile();

before(async () => {
  const oddServers = Object.entries(ODD_PROBES).map(([what, text]) => [
    odd(what),
    misbehave('odd-probe', text),
  ]);
  bridge = await startBridge(file, {
    config: {
      servers: { legacy, echo: echo(), ...Object.fromEntries(oddServers) },
      auth: { tokens: [{ name: 'other', token: OTHER_TOKEN }] },
    },
  });
});

const CALL = { name: 'test_input_required_result_elicitation', arguments: {} };
const ASKED: ModernHow = { capabilities: { elicitation: {} } };
const ADA = { action: 'accept', content: { name: 'Ada' } };

const round = (params: object, how: ModernHow = ASKED, at: rpc.Target = bridge) =>
  callModern(at, 'legacy', 'tools/call', params as Record<string, unknown>, how);

/** The state of a call that waits for its client. */
async function parked(at: rpc.Target = bridge): Promise<string> {
  const { body, text } = await round(CALL, ASKED, at);
  assert.equal(body.result?.resultType, 'input_required', text);
  assert.ok(body.result._meta['io.modelcontextprotocol/serverInfo'].name, text);
  return body.result.requestState;
}

function assertInvalidState(answer: rpc.Answer): void {
  const { reason } = assertRpcError(answer, {
    status: 200,
    rpc: -32602,
    code: 'rejected_params',
    says: /Invalid or expired requestState/,
    id: 1,
  }).data;
  assert.equal(reason, 'invalid_request_state');
}

test('a state is found and used in a retry of any size, on whichever worker it lands', async () => {
  for (let turn = 0; turn < 6; turn++) {
    const requestState = await parked();
    const content = { name: 'x'.repeat(200_000) };
    const { body } = await round({
      ...CALL,
      inputResponses: { r0: { action: 'accept', content } },
      requestState,
    });
    assert.equal(body.result?.content?.[0].text.length, content.name.length + 'Hello, !'.length);
  }
});

test('a state is good once, also when its answers were wrong', async () => {
  const requestState = await parked();
  const retry = { ...CALL, inputResponses: { r0: ADA }, requestState };
  assert.equal((await round(retry)).body.result?.resultType, 'complete');
  assertInvalidState(await round(retry));
});

test('answers of a wrong shape leave the call as it was; those that are missing are asked for again', async () => {
  let requestState = await parked();
  for (const inputResponses of [null, 7, 'r0', true, [], [ADA]]) {
    const says = /"inputResponses" must be an object/;
    const refused = { status: 200, rpc: -32602, code: 'rejected_params', says, id: 1 };
    assertRpcError(await round({ ...CALL, inputResponses, requestState }), refused);
  }
  for (const inputResponses of [
    undefined,
    {},
    { r0: null },
    { r0: 7 },
    { r0: [ADA] },
    { r1: ADA },
    { __proto__: 1 },
  ]) {
    const { body, text } = await round({ ...CALL, inputResponses, requestState });
    assert.equal(body.result?.resultType, 'input_required', text);
    assert.deepEqual(Object.keys(body.result.inputRequests), ['r0']);
    assert.notEqual(body.result.requestState, requestState);
    assertInvalidState(await round({ ...CALL, inputResponses: { r0: ADA }, requestState }));
    requestState = body.result.requestState;
  }
  const last = await round({ ...CALL, inputResponses: { r0: ADA, r9: 7 }, requestState });
  assert.match(last.body.result.content[0].text, /Ada/);
});

test('an answer that the server cannot read is for the server to refuse', async () => {
  const requestState = await parked();
  const { status, body } = await round({ ...CALL, inputResponses: { r0: { nonsense: 1 } }, requestState });
  assert.equal(status, 200);
  assert.equal(body.result?.isError, true);
});

test('nobody else can go on with a call, whatever else he knows of it', async () => {
  const requestState = await parked();
  const retry = { ...CALL, inputResponses: { r0: ADA }, requestState };
  assertInvalidState(await round(retry, { ...ASKED, token: OTHER_TOKEN }));
  assertInvalidState(await callModern(bridge, 'echo', 'tools/call', retry, ASKED));
  assertInvalidState(await round({ ...retry, arguments: { more: 1 } }));
  assertInvalidState(await callModern(bridge, 'legacy', 'prompts/get', { ...retry }, ASKED));
  // Where no call can be parked the state means nothing.
  const list = await callModern(bridge, 'legacy', 'tools/list', { requestState }, ASKED);
  assert.equal(list.body.result?.resultType, 'complete', list.text);
  assert.equal((await round(retry)).body.result?.resultType, 'complete', 'the call was not touched');
});

test('a call that nobody came back to in time is over, at its server too', async (t) => {
  const own = await startBridge(t, {
    config: { servers: { legacy } },
    env: { STREAM_SESSION_TTL_MS: '300' },
  });
  const requestState = await parked(own);
  await sleep(600);
  assertInvalidState(await round({ ...CALL, inputResponses: { r0: ADA }, requestState }, ASKED, own));
});

test('a call does not outlive its worker, and is not run again', async (t) => {
  const own = await startBridge(t, { config: { servers: { legacy } } });
  const requestState = await parked(own);
  const workers = own.workers();
  const owner = workers.find((pid) => descendants(pid).length > 0) ?? 0;
  const door = await openDoor(own, (pid) => pid !== owner);
  t.after(() => door.close());
  process.kill(owner, 'SIGKILL');
  await until('the worker to be gone', () => !isAlive(owner));
  const retry = { ...CALL, inputResponses: { r0: ADA }, requestState };
  const { message, headers } = modernRequest('tools/call', retry, ASKED);
  const raw = {
    method: 'POST',
    path: '/mcp/legacy',
    headers: rpc.honest(own, { headers }),
    body: JSON.stringify(message),
  };
  // Until its link is known to be broken, the dead worker is still asked.
  const answer = await until('an answer without the dead worker', async () => {
    const given = await door.send(raw);
    return given.body.error?.data?.code !== 'worker_died' && given;
  });
  assertInvalidState(answer);
});

test('capabilities that are none are refused before the server hears of them', async () => {
  for (const capabilities of [
    7,
    'sampling',
    [],
    null,
    { elicitation: 7 },
    { sampling: [] },
    { roots: null },
  ]) {
    const answer = await round(CALL, { capabilities: capabilities as unknown as object });
    const says = /clientCapabilities.*must be an object/;
    assertRpcError(answer, { status: 400, rpc: -32602, code: 'invalid_params', says, id: 1 });
  }
});

test('capabilities that the server refuses are the failure of their client alone', async () => {
  const lies = { capabilities: { elicitation: { form: 7 } } };
  for (let turn = 0; turn < 5; turn++) {
    const { status, body, text } = await round(CALL, lies);
    assert.deepEqual([status, body.error?.code], [200, -32602], text);
  }
  assert.equal((await round(CALL)).body.result?.resultType, 'input_required', 'others are served');
});

test('a client that declares what it cannot do, or not what it is asked, gets the answer of the tool', async () => {
  const { body } = await round(CALL, { capabilities: { sampling: {}, unheard: {} } });
  assert.equal(body.result?.isError, true, JSON.stringify(body));
});

test('both eras in one request: the body decides, and what contradicts it is refused', async () => {
  const { message, headers } = modernRequest('tools/list');
  const post = (body: unknown, more: Record<string, string>) =>
    rpc.post(bridge, 'echo', body, { headers: more });
  const mixed = { status: 400, rpc: -32600, code: 'invalid_request', says: /has no batches/ };
  const ping = { jsonrpc: '2.0', id: 2, method: 'ping' };
  for (const version of ['2025-03-26', VERSION]) {
    const answer = await post([ping, message], { ...headers, 'MCP-Protocol-Version': version });
    assert.equal(answer.status, 400, answer.text);
    assert.equal(answer.body.error.code, -32600);
  }
  assertRpcError(await post([message, ping], {}), mixed);

  const mismatch = {
    status: 400,
    rpc: -32020,
    code: 'header_mismatch',
    says: /Headers and body disagree/,
    id: 1,
  };
  const without = ({ ...all }: Record<string, string>, name: string) => {
    delete all[name];
    return all;
  };
  for (const wrong of [
    {},
    without(headers, 'MCP-Protocol-Version'),
    without(headers, 'Mcp-Method'),
    { ...headers, 'Mcp-Method': 'tools/call' },
    { ...headers, 'Mcp-Method': 'TOOLS/LIST' },
    { ...headers, 'MCP-Protocol-Version': '2025-11-25' },
  ]) {
    assertRpcError(await post(message, wrong), mismatch);
  }
});

test('a modern request with a session id is served without the session', async () => {
  const session = await rpc.initialize(bridge, 'echo');
  const { pid } = (await rpc.callTool(bridge, 'echo', 'whoami', {}, { session })).structuredContent;
  for (const id of [session, 'unknown', `${session}x`]) {
    const how = { session: id };
    const answer = await callModern(bridge, 'echo', 'tools/call', { name: 'whoami', arguments: {} }, how);
    assert.equal(answer.body.result?.resultType, 'complete', answer.text);
    assert.notEqual(answer.body.result.structuredContent.pid, pid);
    assert.equal(answer.headers['mcp-session-id'], undefined);
  }
  // The handshake of the other era means nothing in this one, nor do its methods.
  for (const method of [
    'initialize',
    'ping',
    'logging/setLevel',
    'resources/subscribe',
    'resources/unsubscribe',
  ]) {
    const { status, body } = await callModern(bridge, 'echo', method, { uri: 'test://one' }, { session });
    assert.deepEqual([status, body.error.code], [404, -32601], method);
  }
});

test('a modern notification, and a response with a modern header, are taken and dropped', async () => {
  const notification = { jsonrpc: '2.0', method: 'notifications/initialized' };
  for (const message of [notification, { jsonrpc: '2.0', id: 1, result: {} }]) {
    const answer = await rpc.post(bridge, 'echo', message, { headers: { 'MCP-Protocol-Version': VERSION } });
    assert.deepEqual([answer.status, answer.text], [202, '']);
  }
});

for (const what of Object.keys(ODD_PROBES)) {
  test(`a server that answers the question for its era with ${what} is taken for a legacy one`, async () => {
    const { body, text } = await callModern(bridge, odd(what), 'tools/call', { name: 'call', arguments: {} });
    assert.equal(body.result?.content?.[0].text, 'ok', text);
  });
}
