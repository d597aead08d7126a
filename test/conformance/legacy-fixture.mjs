/**
 * The legacy fixture: everything the conformance scenarios name, on SDK v1, which speaks the revisions up to
 * 2025-11-25. What the modern scenarios ask back as input requests, these tools ask as requests of their own.
 */
import { completable } from '@modelcontextprotocol/sdk/server/completable.js';
import { McpServer, ResourceTemplate } from '@modelcontextprotocol/sdk/server/mcp.js';
import { SubscribeRequestSchema, UnsubscribeRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { z } from 'zod';
import * as content from './content.mjs';

const { reply, sample, text, user } = content;

/** A server of its own for every connection. */
export function createLegacyServer() {
  const server = new McpServer(
    { name: 'legacy-fixture', version: '1.0.0' },
    {
      capabilities: { logging: {}, completions: {}, resources: { subscribe: true } },
      instructions: 'Serves the conformance scenarios.',
    },
  );
  const client = askerOf(server);
  tools(server, client);
  changing(server);
  prompts(server, client);
  resources(server);
  return server;
}

/** Requests to the client about the call at hand: over HTTP they travel on that call's stream. */
function askerOf(server) {
  const about = (extra) => ({ relatedRequestId: extra.requestId });
  return {
    elicit: (extra, params) => server.server.elicitInput(params, about(extra)),
    sample: (extra, params) => server.server.createMessage(params, about(extra)),
    roots: (extra) => server.server.listRoots(undefined, about(extra)),
    capabilities: () => server.server.getClientCapabilities() ?? {},
  };
}

function tools(server, client) {
  const tool = (name, description, run) => server.registerTool(name, { description }, run);

  for (const [name, blocks] of Object.entries(content.CONSTANT_TOOLS)) {
    tool(name, 'Always answers the same', () => ({ content: blocks }));
  }
  tool('test_error_handling', 'Always fails', () => {
    throw new Error('This tool intentionally returns an error for testing');
  });

  const log = (data, extra) => server.sendLoggingMessage({ level: 'info', data }, extra.sessionId);
  tool('test_tool_with_logging', 'Logs three times while it runs', async (extra) => {
    await log('Tool execution started', extra);
    await content.pause(50);
    await log('Tool processing data', extra);
    await content.pause(50);
    await log('Tool execution completed', extra);
    return reply('Logged three times');
  });
  tool('test_logging_tool', 'Logs once', async (extra) => {
    await log('Tool execution', extra);
    return reply('Logged once');
  });
  tool('test_tool_with_progress', 'Reports progress to a caller that gave a token', async (extra) => {
    const progressToken = extra._meta?.progressToken;
    for (const progress of [0, 50, 100]) {
      if (progress > 0) await content.pause(50);
      if (progressToken === undefined) continue;
      const params = { progressToken, progress, total: 100 };
      await extra.sendNotification({ method: 'notifications/progress', params });
    }
    return reply('Progress is complete');
  });

  server.registerTool(
    'test_sampling',
    { description: "Asks the client's model", inputSchema: { prompt: z.string() } },
    async ({ prompt }, extra) => {
      const answer = await client.sample(extra, sample(prompt, 100));
      return reply(`LLM response: ${answer.content.text}`);
    },
  );
  server.registerTool(
    'test_elicitation',
    { description: 'Asks the user', inputSchema: { message: z.string() } },
    async ({ message }, extra) => {
      const answer = await client.elicit(extra, { message, requestedSchema: content.CONTACT_SCHEMA });
      return reply(`User response: ${JSON.stringify(answer)}`);
    },
  );
  const elicitation = (name, description, requestedSchema) =>
    tool(name, description, async (extra) => {
      const answer = await client.elicit(extra, { message: 'Please review the form', requestedSchema });
      return reply(
        `Elicitation completed: action=${answer.action}, content=${JSON.stringify(answer.content)}`,
      );
    });
  elicitation('test_elicitation_sep1034_defaults', 'Asks with defaults', content.DEFAULTS_SCHEMA);
  elicitation('test_elicitation_sep1330_enums', 'Asks with choices', content.ENUMS_SCHEMA);

  tool('test_missing_capability', 'Needs sampling', async (extra) => {
    await client.sample(extra, sample('Are you there?'));
    return reply('Sampling is available');
  });
  tool('test_streaming_elicitation', 'Asks the user in the middle of a call', async (extra) => {
    const answer = await client.elicit(extra, content.ASK_CONFIRMATION);
    return reply(`Answered: ${answer.action}`);
  });
  inputTools(tool, client);
}

/** The tools of the input-required scenarios, as a legacy server asks. */
function inputTools(tool, client) {
  const asks = (name, run) => tool(`test_input_required_result_${name}`, 'Asks the client back', run);

  asks('elicitation', async (extra) => {
    const { content: answer } = await client.elicit(extra, content.ASK_NAME);
    return reply(`Hello, ${answer?.name}!`);
  });
  asks('sampling', async (extra) => {
    const answer = await client.sample(extra, sample('What is the capital of France?', 100));
    return reply(answer.content.text);
  });
  asks('list_roots', async (extra) => reply(JSON.stringify((await client.roots(extra)).roots)));
  for (const name of ['request_state', 'tampered_state']) {
    asks(name, async (extra) => {
      await client.elicit(extra, content.ASK_CONFIRMATION);
      return reply('state-ok');
    });
  }
  asks('multiple_inputs', async (extra) => {
    const [name, greeting, roots] = await Promise.all([
      client.elicit(extra, content.ASK_NAME),
      client.sample(extra, sample('Generate a greeting')),
      client.roots(extra),
    ]);
    return reply(`${greeting.content.text} ${name.content?.name}, ${roots.roots.length} roots`);
  });
  asks('multi_round', async (extra) => {
    const first = await client.elicit(extra, content.ASK_STEP_1);
    const second = await client.elicit(extra, content.ASK_STEP_2);
    return reply(`${first.content?.name} likes ${second.content?.color}`);
  });
  asks('capabilities', async (extra) => {
    const { elicitation, sampling } = client.capabilities();
    const answers = await Promise.all([
      elicitation && client.elicit(extra, content.ASK_VALUE),
      sampling && client.sample(extra, sample('Sample request')),
    ]);
    return reply(`${answers.filter(Boolean).length} answers`);
  });
}

/** A tool and a prompt that come and go, and the tools that make them. */
function changing(server) {
  const tool = server.registerTool('test_dynamic_tool', { description: 'Comes and goes' }, () =>
    reply('here'),
  );
  const prompt = server.registerPrompt('test_dynamic_prompt', { description: 'Comes and goes' }, () => ({
    messages: [user(text('here'))],
  }));
  const trigger = (name, entry) => {
    entry.disable();
    server.registerTool(name, { description: 'Changes a list' }, () => {
      if (entry.enabled) entry.disable();
      else entry.enable();
      return reply('changed');
    });
  };
  trigger('test_trigger_tool_change', tool);
  trigger('test_trigger_prompt_change', prompt);
}

function prompts(server, client) {
  for (const [name, messages] of Object.entries(content.CONSTANT_PROMPTS)) {
    server.registerPrompt(name, { description: 'Always the same' }, () => ({ messages }));
  }
  const complete = (value) => ['paris', 'park', 'party'].filter((word) => word.startsWith(value));
  server.registerPrompt(
    'test_prompt_with_arguments',
    {
      description: 'Repeats its arguments',
      argsSchema: { arg1: completable(z.string(), complete), arg2: z.string() },
    },
    ({ arg1, arg2 }) => ({
      messages: [user(text(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`))],
    }),
  );
  server.registerPrompt(
    'test_prompt_with_embedded_resource',
    { description: 'Embeds a resource', argsSchema: { resourceUri: z.string() } },
    ({ resourceUri }) => ({
      messages: [
        user(content.embedded(resourceUri, 'Embedded resource content for testing.')),
        user(text('Please process the embedded resource above.')),
      ],
    }),
  );
  server.registerPrompt(
    'test_input_required_result_prompt',
    { description: 'Asks the user' },
    async (extra) => {
      const answer = await client.elicit(extra, content.ASK_CONTEXT);
      return { messages: [user(text(`In the context of ${answer.content?.context}`))] };
    },
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
  const watched = new Set();
  server.registerTool('test_trigger_resource_update', { description: 'Updates a resource' }, async () => {
    const uri = content.WATCHED_URI;
    if (watched.has(uri)) await server.server.sendResourceUpdated({ uri });
    return reply('updated');
  });
  server.server.setRequestHandler(SubscribeRequestSchema, ({ params }) => {
    watched.add(params.uri);
    return {};
  });
  server.server.setRequestHandler(UnsubscribeRequestSchema, ({ params }) => {
    watched.delete(params.uri);
    return {};
  });
}
