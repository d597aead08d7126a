/** What a child has of the bridge: three pipes, a small environment, a process group, and the limits of its definition. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { test } from 'node:test';
import { startBridge } from './harness/bridge.ts';
import { callTool } from './harness/rpc.ts';
import { echo } from './harness/servers.ts';
import { tool, without } from './harness/tool.ts';

const skip = process.platform === 'linux' ? without(['prlimit'], 'util-linux') : 'reads /proc';

test('a child inherits no descriptor and no token, leads its group, and has its limits', {
  skip,
}, async (t) => {
  assert.ok(tool('prlimit'));
  const asRoot = process.getuid?.() === 0;
  const bridge = await startBridge(t, {
    workers: 1,
    env: { METRICS_TOKEN: 'token-of-the-scraper-000000001', SESSION_SECRET: 'secret-of-sessions-000001' },
    config: {
      servers: {
        plain: echo(),
        limited: {
          ...echo(),
          limits: { openFiles: 64, cpuSeconds: 100, memoryMb: 8_192 },
          ...(asRoot && { user: 'nobody' }),
        },
      },
    },
  });
  // Sockets, pipes and files; what the test itself was started with, everything below it has too.
  const named = (target: string): boolean => !target.startsWith('anon_inode:');
  const ofTest = new Set(descriptorsOf(process.pid));
  const ofBridge = new Set(
    [bridge.pid, ...bridge.processes()].flatMap((pid) => descriptorsOf(pid).filter(named)),
  );
  assert.ok(ofBridge.size > 0);
  for (const server of ['plain', 'limited']) {
    const { pid, env } = (await callTool(bridge, server, 'whoami')).structuredContent;
    for (const name of ['ACCESS_TOKEN', 'METRICS_TOKEN', 'SESSION_SECRET', 'RUNTIME_DIR', 'PORT']) {
      assert.ok(!env.includes(name), name);
    }
    assert.equal(groupOf(pid), pid, 'the leader of a group of its own');
    const inherited = descriptorsOf(pid).filter(
      (target) => target.startsWith('/') && !target.startsWith('/dev/'),
    );
    const shared = descriptorsOf(pid).filter((target) => ofBridge.has(target) && !ofTest.has(target));
    assert.deepEqual([...inherited, ...shared], []);
  }
  const { pid } = (await callTool(bridge, 'limited', 'whoami')).structuredContent;
  const limits = readFileSync(`/proc/${pid}/limits`, 'utf8');
  assert.match(limits, /^Max open files +64 +64/m);
  assert.match(limits, /^Max cpu time +100 +100/m);
  assert.match(limits, /^Max address space +8589934592 +8589934592/m);
  const uid = Number(/^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  if (asRoot) assert.notEqual(uid, 0);
});

/** The fifth field of stat; the name in parentheses may hold blanks. */
function groupOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2]);
}

/** What the descriptors beyond stdin, stdout and stderr lead to. */
function descriptorsOf(pid: number): string[] {
  const beyond = readdirSync(`/proc/${pid}/fd`).filter((fd) => Number(fd) > 2);
  return beyond.map((fd) => linkOf(pid, fd)).filter((target) => target !== '');
}

function linkOf(pid: number, fd: string): string {
  try {
    return readlinkSync(`/proc/${pid}/fd/${fd}`);
  } catch {
    return ''; // closed while we looked
  }
}
