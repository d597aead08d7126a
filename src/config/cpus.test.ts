import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cgroupQuota, limitedCpus, quotaOfV1, quotaOfV2, usableCpus } from './cpus.ts';

const machine = (files: Record<string, string>) => cgroupQuota((path) => files[path]);

test('a quota of cgroup v2 is CPUs', () => {
  assert.equal(quotaOfV2('150000 100000\n'), 1.5);
  for (const none of ['max 100000\n', '', undefined, 'x y', '100000 0', '100000']) {
    assert.equal(quotaOfV2(none), Number.POSITIVE_INFINITY);
  }
});

test('a quota of cgroup v1 is CPUs, and -1 is none', () => {
  assert.equal(quotaOfV1('50000\n', '100000\n'), 0.5);
  assert.equal(quotaOfV1('-1\n', '100000\n'), Number.POSITIVE_INFINITY);
  assert.equal(quotaOfV1(undefined, undefined), Number.POSITIVE_INFINITY);
});

test('in a container the root of cgroup v2 holds the quota', () => {
  assert.equal(machine({ '/proc/self/cgroup': '0::/\n', '/sys/fs/cgroup/cpu.max': '200000 100000' }), 2);
});

test('the narrowest quota above the process counts', () => {
  const files = {
    '/proc/self/cgroup': '0::/system.slice/bridge.service\n',
    '/sys/fs/cgroup/system.slice/bridge.service/cpu.max': 'max 100000',
    '/sys/fs/cgroup/system.slice/cpu.max': '300000 100000',
  };
  assert.equal(machine(files), 3);
});

test('under cgroup v1 the quota is found although the path is the host’s', () => {
  const files = {
    '/proc/self/cgroup': '12:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n0::/docker/abc\n',
    '/sys/fs/cgroup/cpu/cpu.cfs_quota_us': '400000',
    '/sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000',
  };
  assert.equal(machine(files), 4);
});

test('without control groups there is no quota', () => {
  assert.equal(machine({}), Number.POSITIVE_INFINITY);
});

test('workers are whole CPUs, at least one', () => {
  assert.equal(limitedCpus(64, 0.5), 1);
  assert.equal(limitedCpus(64, 2.9), 2);
  assert.equal(limitedCpus(4, Number.POSITIVE_INFINITY), 4);
  assert.ok(Number.isInteger(usableCpus()) && usableCpus() >= 1);
});
