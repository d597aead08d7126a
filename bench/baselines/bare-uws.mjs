// The floor: uWebSockets.js reads the request's body and answers a constant. Usage: bare-uws.mjs PORT BODY
import uws from 'uWebSockets.js';

const [port, body] = process.argv.slice(2);
uws
  .App()
  .any('/*', (res) => {
    res.onAborted(() => {
      res.gone = true;
    });
    res.onData((_chunk, last) => {
      if (!last || res.gone) return;
      res.cork(() => res.writeHeader('content-type', 'application/json').end(body));
    });
  })
  .listen('127.0.0.1', Number(port), (listening) => {
    if (!listening) process.exit(1);
  });

// Ends with the benchmark, however that ends.
process.stdin.resume().on('end', () => process.exit(0));
