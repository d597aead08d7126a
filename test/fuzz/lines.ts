/** What a server prints that is no message, or one that nobody waits for. Never an answer to a number: those are live. */
import fc from 'fast-check';
import { type MessageForm, oddMessage } from '../harness/odd-json.ts';
import { mutated } from './mutate.ts';

const LINES = [
  '{"jsonrpc":"2.0","id":"nobody","result":{"content":[]}}',
  '{"jsonrpc":"2.0","id":"nobody","error":{"code":-32000,"message":"x"}}',
  '{"jsonrpc":"2.0","id":"ask","method":"sampling/createMessage","params":{"messages":[]}}',
  '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"nobody","progress":1}}',
  '{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"x"}}',
  '{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"test://one"}}',
  '{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}',
  'Listening on stdio',
  '\x1b[32mready\x1b[0m',
  'Traceback (most recent call last):',
  '{',
  '}',
  '',
  '\r',
];

/** Requests and progress only: answers would have numbers for ids. */
const FORMS: readonly MessageForm[] = ['request', 'progress'];

export const brokenLine: fc.Arbitrary<Buffer> = fc.oneof(
  {
    weight: 1200,
    arbitrary: mutated(
      fc.constantFrom(...LINES).map((text) => Buffer.from(text)),
      3,
    ),
  },
  {
    weight: 400,
    arbitrary: fc
      .tuple(fc.constantFrom(...FORMS), fc.uint8Array({ maxLength: 60 }))
      .map(([form, choices]) => Buffer.from(oddMessage(choices, form).replace(/[\r\n]/g, ' '))),
  },
  { weight: 300, arbitrary: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)) },
  // Some are read in a thread, with all that follows waiting behind them.
  {
    weight: 1,
    arbitrary: fc.constantFrom('x', '[', '{"a":').map((text) => Buffer.from(text.repeat(150_000))),
  },
);
