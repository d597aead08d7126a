import assert from 'node:assert/strict';
import { BlockList, isIPv4 } from 'node:net';
import { test } from 'node:test';
import { isLoopback, parseCidr, parseHost, parseHostHeader, parseOrigin } from './address.ts';

test('hosts are addresses or names, bare and in lower case', () => {
  assert.equal(parseHost('[FE80::1]'), 'fe80::1');
  assert.equal(parseHost('My-Host.example.'), 'my-host.example.');
  for (const bad of ['', 'a b', 'http://a', 'a/b', '[1.2.3.4]', '-a', 'a..b', '*.example.com', 'a:1']) {
    assert.equal(parseHost(bad), undefined, bad);
  }
});

test('a listed host name loses its port, and IPv6 is known with and without brackets', () => {
  assert.deepEqual(parseHostHeader('Example.com:443'), ['example.com']);
  assert.deepEqual(parseHostHeader('::1'), ['[::1]', '::1']);
  assert.equal(parseHostHeader('*'), undefined);
});

test('loopback is 127.0.0.0/8, ::1 and localhost', () => {
  for (const host of ['127.0.0.1', '127.9.9.9', '::1', 'localhost']) assert.ok(isLoopback(host), host);
  for (const host of ['0.0.0.0', '::', '128.0.0.1', '127.evil.example', 'localhost.evil.example']) {
    assert.ok(!isLoopback(host), host);
  }
});

test('origins have a scheme and a host and nothing else', () => {
  assert.equal(parseOrigin('HTTPS://App.Example.com:443/'), 'https://app.example.com');
  assert.equal(parseOrigin('http://[::1]:3000'), 'http://[::1]:3000');
  for (const bad of [
    '*',
    'null',
    'example.com',
    'https://a/b',
    'https://u:p@a',
    'https://*.a.com',
    'https://a?b',
    'https://',
  ]) {
    assert.equal(parseOrigin(bad), undefined, bad);
  }
});

test('every CIDR that is accepted is one for net.BlockList', () => {
  for (const good of ['10.0.0.0/8', '0.0.0.0/0', '1.2.3.4', '::/0', 'fd00::1/128', '::ffff:10.0.0.1']) {
    const [address = '', bits] = (parseCidr(good) ?? '').split('/');
    assert.doesNotThrow(
      () => new BlockList().addSubnet(address, Number(bits), isIPv4(address) ? 'ipv4' : 'ipv6'),
      good,
    );
  }
  for (const bad of [
    '10.0.0.0/33',
    '::/129',
    '10.0.0/8',
    '10.0.0.0/',
    '10.0.0.0/-1',
    'a/8',
    '1.2.3.4/8/8',
    'fe80::1%eth0/64',
  ]) {
    assert.equal(parseCidr(bad), undefined, bad);
  }
});
