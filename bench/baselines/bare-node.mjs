// The floor of node:http: it reads the request's body and answers a constant. Usage: bare-node.mjs PORT BODY
import { createServer } from 'node:http';

const [port, body] = process.argv.slice(2);
const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
createServer((request, response) => {
  request.resume().on('end', () => response.writeHead(200, headers).end(body));
}).listen(Number(port), '127.0.0.1');

// Ends with the benchmark, however that ends.
process.stdin.resume().on('end', () => process.exit(0));
