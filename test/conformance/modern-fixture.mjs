/**
 * The modern fixture: everything the conformance scenarios name, on SDK v2 as revision 2026-07-28 wants it. What
 * a tool must know from the client it returns as input requests, and runs again with the answers.
 */
import { completable, fromJsonSchema, McpServer, ResourceTemplate } from '@modelcontextprotocol/server';
import { z } from 'zod';
import * as content from './content.mjs';
import { elicit, gather, inputTools, model, verifyState } from './modern-inputs.mjs';

const { reply, text, user } = content;

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
      requestState: { verify: verifyState },
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
