/** The echo server, except that about one start in four fails: which one, its process id decides. */
if (process.pid % 4 === 0) {
  process.stderr.write('fatal: not with this process id\n');
  process.exit(3);
}
await import('../fixtures/servers/echo.mjs');
