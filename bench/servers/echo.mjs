// The stdio MCP server behind every measurement: as little CPU as a Node process can spend on an answer, so that
// what is seen is the bridge. It speaks the legacy era and refuses `server/discover`, as most servers do today.
// Tools: echo {n}; progress {n, steps}: as many notifications before the result; large {n, bytes}: a long text.
// Writes are joined per chunk read: many small answers leave in one system call.

const tools = ['echo', 'progress', 'large'].map((name) => ({ name, inputSchema: { type: 'object' } }));
const padding = new Map();
let rest = '';
let out = '';

const result = (id, text) => {
  out += `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":${text}}\n`;
};
const text = (content) => `{"content":[{"type":"text","text":"${content}"}]}`;

function filler(bytes) {
  let filled = padding.get(bytes);
  if (filled === undefined) {
    filled = 'x'.repeat(bytes);
    padding.set(bytes, filled);
  }
  return filled;
}

function call(id, { name, arguments: args, _meta: meta }) {
  const { n } = args;
  if (name === 'progress') {
    const token = JSON.stringify(meta?.progressToken ?? null);
    for (let step = 1; step <= args.steps; step++) {
      const params = `{"progressToken":${token},"progress":${step},"total":${args.steps}}`;
      out += `{"jsonrpc":"2.0","method":"notifications/progress","params":${params}}\n`;
    }
  }
  result(id, text(name === 'large' ? `echo ${n}${filler(args.bytes)}` : `echo ${n}`));
}

function initialize(id, { protocolVersion }) {
  const serverInfo = { name: 'echo', version: '1.0.0' };
  result(id, JSON.stringify({ protocolVersion, capabilities: { tools: {} }, serverInfo }));
}

function answer({ id, method, params }) {
  if (id === undefined) return;
  if (method === 'tools/call') call(id, params);
  else if (method === 'initialize') initialize(id, params);
  else if (method === 'tools/list') result(id, JSON.stringify({ tools }));
  else if (method === 'ping') result(id, '{}');
  else {
    const error = { code: -32601, message: 'Method not found' };
    out += `${JSON.stringify({ jsonrpc: '2.0', id, error })}\n`;
  }
}

process.stdin.setEncoding('utf8');
process.stdin.on('data', (chunk) => {
  const lines = (rest + chunk).split('\n');
  rest = lines.pop();
  for (const line of lines) if (line !== '') answer(JSON.parse(line));
  if (out === '') return;
  process.stdout.write(out);
  out = '';
});
process.stdin.on('end', () => process.exit(0));
