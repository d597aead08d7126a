// The least a bridge can cost on this runtime: uWebSockets.js in front of a child's pipes, the fields of each head read,
// the id replaced on the way there and back, and nothing checked: no token, no JSON, no limit, no deadline.
// Usage: pass-through.mjs PORT

import uws from 'uWebSockets.js';
import { spawn } from 'node:child_process';
import { join } from 'node:path';

const [port] = process.argv.slice(2);
const server = join(import.meta.dirname, '..', 'servers', 'echo.mjs');
const child = spawn(process.execPath, [server], { stdio: ['pipe', 'pipe', 'inherit'] });

// Requests in flight by their ids, and ids that are free again.
const inFlight = [];
const free = [];
let outgoing = '';
let rest = '';

function flush() {
  const text = outgoing;
  outgoing = '';
  child.stdin.write(text);
}

// Where the digits behind `"id":` begin and end.
function idIn(text) {
  const start = text.indexOf('"id":') + 5;
  let end = start;
  while (text.charCodeAt(end) >= 0x30 && text.charCodeAt(end) <= 0x39) end++;
  return [start, end];
}

function ask(request, text) {
  const [start, end] = idIn(text);
  request.id = text.slice(start, end);
  const id = free.pop() ?? inFlight.length;
  inFlight[id] = request;
  if (outgoing === '') setImmediate(flush);
  outgoing += `${text.slice(0, start)}${id}${text.slice(end)}\n`;
}

function answer(line) {
  const [start, end] = idIn(line);
  const id = Number(line.slice(start, end));
  const request = inFlight[id];
  inFlight[id] = undefined;
  free.push(id);
  if (request.gone) return;
  const body = line.slice(0, start) + request.id + line.slice(end);
  request.res.cork(() => request.res.writeHeader('content-type', 'application/json').end(body));
}

child.stdout.setEncoding('latin1').on('data', (chunk) => {
  const lines = (rest + chunk).split('\n');
  rest = lines.pop();
  for (const line of lines) answer(line);
});

uws
  .App()
  .any('/*', (res, req) => {
    const request = { res, id: '', gone: false, method: req.getMethod(), url: req.getUrl(), fields: [] };
    req.forEach((name, value) => {
      request.fields.push(name, value);
    });
    res.onAborted(() => {
      request.gone = true;
    });
    res.onData((chunk) => ask(request, Buffer.from(chunk).toString('latin1')));
  })
  .listen('127.0.0.1', Number(port), (listening) => {
    if (!listening) process.exit(1);
  });

// Ends with the benchmark, however that ends.
process.stdin.resume().on('end', () => {
  child.kill();
  process.exit(0);
});
