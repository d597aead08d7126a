/**
 * The modern fixture: everything the conformance scenarios name, on SDK v2 as revision 2026-07-28 wants it. What
 * a tool must know from the client it returns as input requests, and runs again with the answers.
 */
import {
  completable,
  createRequestStateCodec,
  fromJsonSchema,
  inputRequired,
  inputResponse,
  McpServer,
  ResourceTemplate,
} from '@modelcontextprotocol/server';
import { z } from 'zod';
import * as content from './content.mjs';

const { reply, sample, text, user } = content;

/** One key for every process: a retry may meet another child of the same server. */
const state = createRequestStateCodec({ key: 'the conformance fixtures share this one key' });

/**
 * A server of its own for every connection. `announce` is told of changed lists too, for where the server that
 * changed them is not the one that is listened to (one instance per HTTP request).
 */
export function createModernServer(announce) {
  const server = new McpServer(
    { name: 'modern-fixture', version: '1.0.0' },
    {
      capabilities: { logging: {}, completions: {}, resources: { subscribe: true } },
      instructions: 'Serves the conformance scenarios.',
      cacheHints: { 'tools/list': { ttlMs: 1000, cacheScope: 'public' } },
      requestState: { verify: state.verify },
    },
  );
  tools(server);
  inputTools(server);
  schemaTools(server);
  changing(server, announce);
  prompts(server);
  resources(server);
  return server;
}

const elicit = (params) => inputRequired.elicit(params);
const model = (prompt, maxTokens) => inputRequired.createMessage(sample(prompt, maxTokens));

/** The answers to `wanted`, by key; undefined while one of them is missing. */
function answers(ctx, wanted) {
  const found = {};
  for (const key of Object.keys(wanted)) {
    const answer = inputResponse(ctx.mcpReq.inputResponses, key);
    if (answer.kind === 'missing') return undefined;
    found[key] = answer;
  }
  return found;
}

/** Runs `done` once every wanted input has come; asks for it until then. */
function gather(ctx, wanted, done) {
  const found = answers(ctx, wanted);
  return found === undefined ? inputRequired({ inputRequests: wanted }) : done(found);
}

/** The same with a sealed state, which the retry has to bring along. */
async function gatherWithState(ctx, wanted, done) {
  const found = ctx.mcpReq.requestState() === undefined ? undefined : answers(ctx, wanted);
  if (found !== undefined) return done(found);
  return inputRequired({ inputRequests: wanted, requestState: await state.mint({ round: 1 }) });
}

function tools(server) {
  const tool = (name, description, run) => server.registerTool(name, { description }, run);

  for (const [name, blocks] of Object.entries(content.CONSTANT_TOOLS)) {
    tool(name, 'Always answers the same', () => ({ content: blocks }));
  }
  tool('test_error_handling', 'Always fails', () => {
    throw new Error('This tool intentionally returns an error for testing');
  });
  tool('test_tool_with_logging', 'Logs three times while it runs', async ({ mcpReq }) => {
    await mcpReq.log('info', 'Tool execution started');
    await content.pause(50);
    await mcpReq.log('info', 'Tool processing data');
    await content.pause(50);
    await mcpReq.log('info', 'Tool execution completed');
    return reply('Logged three times');
  });
  tool('test_logging_tool', 'Logs once', async ({ mcpReq }) => {
    await mcpReq.log('info', 'Tool execution');
    return reply('Logged once');
  });
  tool('test_tool_with_progress', 'Reports progress to a caller that gave a token', async ({ mcpReq }) => {
    const progressToken = mcpReq._meta?.progressToken;
    for (const progress of [0, 50, 100]) {
      if (progress > 0) await content.pause(50);
      if (progressToken === undefined) continue;
      const params = { progressToken, progress, total: 100 };
      await mcpReq.notify({ method: 'notifications/progress', params });
    }
    return reply('Progress is complete');
  });

  server.registerTool(
    'test_sampling',
    { description: "Asks the client's model", inputSchema: z.object({ prompt: z.string() }) },
    ({ prompt }, ctx) =>
      gather(ctx, { answer: model(prompt, 100) }, ({ answer }) =>
        reply(`LLM response: ${answer.result.content.text}`),
      ),
  );
  server.registerTool(
    'test_elicitation',
    { description: 'Asks the user', inputSchema: z.object({ message: z.string() }) },
    ({ message }, ctx) =>
      gather(ctx, { answer: elicit({ message, requestedSchema: content.CONTACT_SCHEMA }) }, ({ answer }) =>
        reply(`User response: ${JSON.stringify(answer)}`),
      ),
  );
  const elicitation = (name, description, requestedSchema) => {
    const wanted = { answer: elicit({ message: 'Please review the form', requestedSchema }) };
    tool(name, description, (ctx) =>
      gather(ctx, wanted, ({ answer }) =>
        reply(`Elicitation completed: action=${answer.action}, content=${JSON.stringify(answer.content)}`),
      ),
    );
  };
  elicitation('test_elicitation_sep1034_defaults', 'Asks with defaults', content.DEFAULTS_SCHEMA);
  elicitation('test_elicitation_sep1330_enums', 'Asks with choices', content.ENUMS_SCHEMA);

  tool('test_missing_capability', 'Needs sampling', (ctx) =>
    gather(ctx, { there: model('Are you there?') }, () => reply('Sampling is available')),
  );
  tool('test_streaming_elicitation', 'Asks the user in the middle of a call', (ctx) =>
    gather(ctx, { confirm: elicit(content.ASK_CONFIRMATION) }, ({ confirm }) =>
      reply(`Answered: ${confirm.action}`),
    ),
  );
}

/** The tools of the input-required scenarios. The keys are those that the scenarios look for. */
function inputTools(server) {
  const asks = (name, run) =>
    server.registerTool(`test_input_required_result_${name}`, { description: 'Asks the client back' }, run);

  asks('elicitation', (ctx) =>
    gather(ctx, { user_name: elicit(content.ASK_NAME) }, ({ user_name }) =>
      reply(`Hello, ${user_name.content?.name}!`),
    ),
  );
  asks('sampling', (ctx) =>
    gather(ctx, { capital_question: model('What is the capital of France?', 100) }, ({ capital_question }) =>
      reply(capital_question.result.content.text),
    ),
  );
  asks('list_roots', (ctx) =>
    gather(ctx, { client_roots: inputRequired.listRoots() }, ({ client_roots }) =>
      reply(JSON.stringify(client_roots.roots)),
    ),
  );
  for (const name of ['request_state', 'tampered_state']) {
    asks(name, (ctx) =>
      gatherWithState(ctx, { confirm: elicit(content.ASK_CONFIRMATION) }, () => reply('state-ok')),
    );
  }
  const three = {
    user_name: elicit(content.ASK_NAME),
    greeting: model('Generate a greeting'),
    client_roots: inputRequired.listRoots(),
  };
  asks('multiple_inputs', (ctx) =>
    gatherWithState(ctx, three, ({ user_name, greeting, client_roots }) =>
      reply(`${greeting.result.content.text} ${user_name.content?.name}, ${client_roots.roots.length} roots`),
    ),
  );
  asks('multi_round', async (ctx) => {
    const known = ctx.mcpReq.requestState();
    const second = answers(ctx, { step2: true });
    if (known?.name !== undefined && second)
      return reply(`${known.name} likes ${second.step2.content?.color}`);
    const first = known && answers(ctx, { step1: true });
    return inputRequired({
      inputRequests: first ? { step2: elicit(content.ASK_STEP_2) } : { step1: elicit(content.ASK_STEP_1) },
      requestState: await state.mint(first ? { name: `${first.step1.content?.name}` } : {}),
    });
  });
  asks('capabilities', (ctx) => {
    const { elicitation, sampling } =
      ctx.mcpReq.envelope?.['io.modelcontextprotocol/clientCapabilities'] ??
      server.server.getClientCapabilities() ??
      {};
    const wanted = {
      ...(elicitation && { elicit_input: elicit(content.ASK_VALUE) }),
      ...(sampling && { sample_input: model('Sample request') }),
    };
    const count = Object.keys(wanted).length;
    return count === 0 ? reply('0 answers') : gather(ctx, wanted, () => reply(`${count} answers`));
  });
}

/** Tools whose schemas a bridge must pass on as they are, or read. */
function schemaTools(server) {
  const tool = (name, description, inputSchema) =>
    server.registerTool(name, { description, inputSchema: fromJsonSchema(inputSchema) }, () => reply('ok'));

  tool('json_schema_2020_12_tool', 'Tool with JSON Schema 2020-12 features', {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    type: 'object',
    $defs: {
      address: {
        $anchor: 'addressDef',
        type: 'object',
        properties: { street: { type: 'string' }, city: { type: 'string' } },
      },
    },
    properties: {
      name: { type: 'string' },
      address: { $ref: '#/$defs/address' },
      contactMethod: { type: 'string', enum: ['phone', 'email'] },
      phone: { type: 'string' },
      email: { type: 'string' },
    },
    allOf: [{ anyOf: [{ required: ['phone'] }, { required: ['email'] }] }],
    if: { properties: { contactMethod: { const: 'phone' } }, required: ['contactMethod'] },
    // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema, not a promise
    then: { required: ['phone'] },
    else: { required: ['email'] },
    additionalProperties: false,
  });
  tool('test_x_mcp_header', 'Wants some of its arguments as headers', {
    type: 'object',
    properties: {
      region: { type: 'string', 'x-mcp-header': 'Region' },
      count: { type: 'integer', 'x-mcp-header': 'Count' },
      query: { type: 'string' },
    },
  });
}

/** A tool and a prompt that come and go, and the tools that make them. */
function changing(server, announce) {
  const tool = server.registerTool('test_dynamic_tool', { description: 'Comes and goes' }, () =>
    reply('here'),
  );
  const prompt = server.registerPrompt('test_dynamic_prompt', { description: 'Comes and goes' }, () => ({
    messages: [user(text('here'))],
  }));
  const trigger = (name, entry, changed) => {
    entry.disable();
    server.registerTool(name, { description: 'Changes a list' }, () => {
      if (entry.enabled) entry.disable();
      else entry.enable();
      changed();
      return reply('changed');
    });
  };
  trigger('test_trigger_tool_change', tool, () => announce?.toolsChanged());
  trigger('test_trigger_prompt_change', prompt, () => announce?.promptsChanged());
  server.registerTool('test_trigger_resource_update', { description: 'Updates a resource' }, async () => {
    await server.server.sendResourceUpdated({ uri: content.WATCHED_URI });
    announce?.resourceUpdated(content.WATCHED_URI);
    return reply('updated');
  });
}

function prompts(server) {
  for (const [name, messages] of Object.entries(content.CONSTANT_PROMPTS)) {
    server.registerPrompt(name, { description: 'Always the same' }, () => ({ messages }));
  }
  const complete = (value) => ['paris', 'park', 'party'].filter((word) => word.startsWith(value));
  server.registerPrompt(
    'test_prompt_with_arguments',
    {
      description: 'Repeats its arguments',
      argsSchema: z.object({ arg1: completable(z.string(), complete), arg2: z.string() }),
    },
    ({ arg1, arg2 }) => ({
      messages: [user(text(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`))],
    }),
  );
  server.registerPrompt(
    'test_prompt_with_embedded_resource',
    { description: 'Embeds a resource', argsSchema: z.object({ resourceUri: z.string() }) },
    ({ resourceUri }) => ({
      messages: [
        user(content.embedded(resourceUri, 'Embedded resource content for testing.')),
        user(text('Please process the embedded resource above.')),
      ],
    }),
  );
  server.registerPrompt('test_input_required_result_prompt', { description: 'Asks the user' }, (ctx) =>
    gather(ctx, { user_context: elicit(content.ASK_CONTEXT) }, ({ user_context }) => ({
      messages: [user(text(`In the context of ${user_context.content?.context}`))],
    })),
  );
}

function resources(server) {
  for (const [uri, body] of Object.entries(content.STATIC_RESOURCES)) {
    const name = uri.slice('test://'.length);
    server.registerResource(name, uri, { description: 'Never changes', mimeType: body.mimeType }, () => ({
      contents: [{ uri, ...body }],
    }));
  }
  server.registerResource(
    'template',
    new ResourceTemplate('test://template/{id}/data', { list: undefined }),
    { description: 'Substitutes its id', mimeType: 'application/json' },
    (uri, { id }) => ({
      contents: [{ uri: uri.href, mimeType: 'application/json', text: content.templateText(id) }],
    }),
  );
  // Methods of the earlier revisions: reached only by a client that opened with their handshake.
  for (const method of ['resources/subscribe', 'resources/unsubscribe']) {
    server.server.setRequestHandler(method, () => ({}));
  }
}
