/**
 * How the modern fixture asks the client back: input requests, the answers to them, and the sealed state between
 * two rounds; and the tools of the input-required scenarios, which do nothing else.
 */
import { createRequestStateCodec, inputRequired, inputResponse } from '@modelcontextprotocol/server';
import * as content from './content.mjs';

const { reply, sample } = content;

/** One key for every process: a retry may meet another child of the same server. */
const state = createRequestStateCodec({ key: 'the conformance fixtures share this one key' });
export const verifyState = state.verify;

export const elicit = (params) => inputRequired.elicit(params);
export const model = (prompt, maxTokens) => inputRequired.createMessage(sample(prompt, maxTokens));

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
export function gather(ctx, wanted, done) {
  const found = answers(ctx, wanted);
  return found === undefined ? inputRequired({ inputRequests: wanted }) : done(found);
}

/** The same with a sealed state, which the retry has to bring along. */
async function gatherWithState(ctx, wanted, done) {
  const found = ctx.mcpReq.requestState() === undefined ? undefined : answers(ctx, wanted);
  if (found !== undefined) return done(found);
  return inputRequired({ inputRequests: wanted, requestState: await state.mint({ round: 1 }) });
}

/** The tools of the input-required scenarios. The keys are those that the scenarios look for. */
export function inputTools(server) {
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
