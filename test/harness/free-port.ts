/**
 * A port of the loopback that nobody listens on, for servers that cannot be asked which one they took. It is this test
 * process's alone until that ends: two bridges that were given the same one, and look before either listens, would
 * share it (SO_REUSEPORT), and answer each other's requests.
 */
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A file for each port in use, with the id of the process that uses it. */
const PORTS = join(tmpdir(), 'mcp-bridge-test-ports');

const ours = new Set<string>();
process.once('exit', () => {
  for (const file of ours) rmSync(file, { force: true });
});

export async function freePort(): Promise<number> {
  for (;;) {
    const probe = createServer().listen(0, '127.0.0.1');
    await once(probe, 'listening');
    const { port } = probe.address() as AddressInfo;
    // Before it is let go: nobody else can have it meanwhile, and whoever is given it next finds the file.
    const isOurs = reserve(port);
    probe.close();
    await once(probe, 'close');
    if (isOurs) return port;
  }
}

function reserve(port: number): boolean {
  mkdirSync(PORTS, { recursive: true });
  const file = join(PORTS, String(port));
  if (isHeld(file)) return false;
  writeFileSync(file, String(process.pid));
  ours.add(file);
  return true;
}

/** By a process that lives, be it this one: a port that was given stays given. */
function isHeld(file: string): boolean {
  try {
    process.kill(Number(readFileSync(file, 'utf8')), 0);
    return true;
  } catch (error) {
    // Nobody's, or that of a process that was killed; one of another user's lives.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
