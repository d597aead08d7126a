import assert from 'node:assert/strict';
import type { LookupAddress } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { test } from 'node:test';
import { createReach, type Reach } from './reach.ts';

/** What a URL that a caller named may lead to. */
const ofCaller = (url: string, reach: readonly string[] = [], resolve?: LookupFunction): Reach =>
  createReach({ url, reach }, resolve);

/** Why a URL is refused; empty when it is not. */
function refusal(url: string, reach: readonly string[] = []): string {
  try {
    ofCaller(url, reach).check(new URL(url));
    return '';
  } catch (error) {
    return (error as Error).message;
  }
}

/** A resolver that knows one answer. */
const answering =
  (...addresses: readonly string[]): LookupFunction =>
  (_name, _options, callback) =>
    callback(
      null,
      addresses.map((address): LookupAddress => ({ address, family: isIP(address) })),
    );

function resolved(reach: Reach, name: string, all = true): Promise<string | LookupAddress[]> {
  return new Promise((resolve, reject) => {
    reach.lookup(name, { all }, (error, found) => (error === null ? resolve(found) : reject(error)));
  });
}

for (const host of [
  '127.0.0.1',
  '127.1',
  '2130706433',
  '0x7f000001',
  '0x7f.0.0.1',
  '0177.0.0.1',
  '017700000001',
  '127.0.0.1.',
  '１２７.０.０.１',
  '0.0.0.0',
  '0',
  '10.1.2.3',
  '0xa010203',
  '100.100.100.200',
  '169.254.169.254',
  '2852039166',
  '0xA9FEA9FE',
  '0251.0376.0251.0376',
  '172.16.0.1',
  '172.31.255.255',
  '192.168.0.1',
  '192.0.0.192',
  '198.18.0.1',
  '224.0.0.1',
  '255.255.255.255',
  '[::1]',
  '[::]',
  '[0:0:0:0:0:0:0:1]',
  '[::ffff:127.0.0.1]',
  '[::ffff:7f00:1]',
  '[::ffff:a9fe:a9fe]',
  '[::127.0.0.1]',
  '[64:ff9b::7f00:1]',
  '[2002:7f00:1::]',
  '[2001::1]',
  '[fe80::1]',
  '[fc00::1]',
  '[fd00:ec2::254]',
  '[ff02::1]',
]) {
  test(`a caller does not reach ${host}`, () => {
    assert.match(refusal(`http://${host}/mcp`), /is no address of the Internet/);
    assert.match(refusal(`ws://${host}:81/`), /is no address of the Internet/);
  });
}

test('addresses of the Internet are reached', () => {
  for (const host of ['93.184.215.14', '172.15.0.1', '172.32.0.1', '100.63.0.1', '[2606:4700::1111]']) {
    assert.equal(refusal(`https://${host}/mcp`), '', host);
  }
});

test('an address that is listed is reached, in any spelling, at its own port only', () => {
  const reach = ['http://127.0.0.1:8080', 'http://[::1]'];
  for (const url of ['http://127.0.0.1:8080/x', 'http://2130706433:8080/', 'http://[0:0::1]/']) {
    assert.equal(refusal(url, reach), '', url);
  }
  for (const url of ['http://127.0.0.1/', 'http://127.0.0.1:8081/', 'http://127.0.0.2:8080/']) {
    assert.match(refusal(url, reach), /no address of the Internet/, url);
  }
});

test('a name is reached when all its addresses are of the Internet, and at those', async () => {
  const good = ofCaller('https://good.example/mcp', [], answering('93.184.215.14', '2606:4700::1111'));
  assert.deepEqual(await resolved(good, 'good.example'), [
    { address: '93.184.215.14', family: 4 },
    { address: '2606:4700::1111', family: 6 },
  ]);
  assert.equal(await resolved(good, 'good.example', false), '93.184.215.14');
});

test('one address that is not makes a name unreachable, listed or not', async () => {
  for (const bad of ['127.0.0.1', '10.0.0.5', '::ffff:10.0.0.5', '169.254.169.254', 'fe80::1%eth0', '::1']) {
    const urls = ['https://evil.example'];
    const reach = ofCaller('https://evil.example/mcp', urls, answering('93.184.215.14', bad));
    await assert.rejects(resolved(reach, 'evil.example'), /"evil\.example" is no address/, bad);
    await assert.rejects(resolved(reach, 'evil.example', false), /is no address/, bad);
  }
});

test('a name may lead to an address that is listed with the same port', async () => {
  const urls = ['http://tools.internal:8080', 'http://10.0.0.5:8080'];
  const inside = ofCaller('http://tools.internal:8080/mcp', urls, answering('10.0.0.5'));
  assert.deepEqual(await resolved(inside, 'tools.internal'), [{ address: '10.0.0.5', family: 4 }]);
  const elsewhere = ofCaller('http://tools.internal:9090/mcp', urls, answering('10.0.0.5'));
  await assert.rejects(resolved(elsewhere, 'tools.internal'), /is no address/);
});

test('localhost is reached where it is listed', async () => {
  const loopback = answering('127.0.0.1', '::1');
  const listed = ofCaller('http://localhost:8080/', ['http://localhost:8080'], loopback);
  assert.equal((await resolved(listed, 'localhost')).length, 2);
  await assert.rejects(resolved(ofCaller('http://localhost:8080/', [], loopback), 'localhost'));
});

test('for a server of the file its operator answers, but no name leads to metadata or to nobody', async () => {
  const ofFile = (url: string, resolve?: LookupFunction) => createReach({ url }, resolve);
  for (const url of ['http://127.0.0.1:9/', 'http://169.254.169.254/', 'http://[fe80::1]/']) {
    ofFile(url).check(new URL(url));
  }
  for (const inside of ['127.0.0.1', '10.0.0.5', 'fd12::1']) {
    await resolved(ofFile('http://tools.internal/', answering(inside)), 'tools.internal');
  }
  for (const never of ['169.254.169.254', 'fe80::1', 'fd00:ec2::254', '0.0.0.0', '::']) {
    const reach = ofFile('http://tools.internal/', answering(never));
    await assert.rejects(resolved(reach, 'tools.internal'), /is no address/, never);
  }
});

test('whoever sends the bridge to another origin is not followed', () => {
  const reach = ofCaller('https://good.example/mcp');
  reach.check(new URL('https://good.example/other'));
  for (const url of ['http://good.example/mcp', 'https://good.example:444/', 'https://evil.example/mcp']) {
    assert.throws(() => reach.check(new URL(url)), /another origin/);
  }
});

test('an error of the resolver is passed on', async () => {
  const failing: LookupFunction = (_name, _options, callback) =>
    callback(Object.assign(new Error('no'), { code: 'ENOTFOUND' }), [], 0);
  await assert.rejects(resolved(ofCaller('https://x.example/', [], failing), 'x.example'), {
    code: 'ENOTFOUND',
  });
});
