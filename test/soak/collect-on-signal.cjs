/**
 * To be required by the bridge of a soak (NODE_OPTIONS, with --expose-gc): SIGPWR makes a process collect its garbage
 * and write what it keeps then to SOAK_MEMORY_DIR/PID. With SOAK_LEAK_KIB, a worker leaks so much a second: for proof
 * that a leak is found.
 */
const { writeFileSync } = require('node:fs');

process.on('SIGPWR', () => {
  global.gc();
  writeFileSync(`${process.env.SOAK_MEMORY_DIR}/${process.pid}`, JSON.stringify(process.memoryUsage()));
});

const leakKib = Number(process.env.SOAK_LEAK_KIB);
if (leakKib > 0 && process.env.MCP_BRIDGE_ROLE === 'worker') {
  const kept = [];
  setInterval(() => kept.push(Array.from({ length: leakKib * 128 }, (_, i) => i + 0.5)), 1_000).unref();
}
