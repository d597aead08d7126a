/**
 * Messages with members put into their text; everything else in it stays as it came. For what the bridge adds to a
 * request here and there: what only passes is never read again.
 */
import { memberSpans, type Span } from './json-text.ts';
import type { Message } from './message.ts';
import { readMessage } from './read-message.ts';
import { textOf } from './utf8.ts';

type TextMessage = Message & { readonly text: string };

export type Members = Readonly<Record<string, unknown>>;

/** With these members in front of those of `params._meta`, and of `params`. */
export function withMeta(request: Message, meta: Members, members: Members = {}): Message {
  const { text, payloadSpan, metaSpan } = inText(request);
  const [inMeta, inParams] = [inner(meta), inner(members)];
  if (payloadSpan === undefined) {
    const end = text.lastIndexOf('}');
    return reread(`${text.slice(0, end)},"params":{${joined(inParams, `"_meta":{${inMeta}}`)}}}`);
  }
  if (metaSpan !== undefined && text[metaSpan.start] === '{') {
    const withMembers = insert(text, metaSpan, inMeta);
    return reread(inParams === '' ? withMembers : insert(withMembers, payloadSpan, inParams));
  }
  return reread(insert(text, payloadSpan, joined(inParams, `"_meta":{${inMeta}}`)));
}

/** With another string in a member that `params` has. */
export function withParam(request: Message, key: string, value: string): Message {
  const { text, payloadSpan } = inText(request);
  if (payloadSpan === undefined) return request;
  return reread(replaceMember(text, payloadSpan.start, key, JSON.stringify(value)));
}

/** The text with other JSON in a member of the object that stands at `at`; as it is where there is no such member. */
export function replaceMember(text: string, at: number, key: string, json: string): string {
  const spans = memberSpans(text, at, [key]);
  const span = typeof spans === 'string' ? undefined : spans[0];
  return span === undefined ? text : text.slice(0, span.start) + json + text.slice(span.end);
}

/** A message whose text is a string, large as it may be: in one of bytes the places are others. */
const inText = (message: Message): TextMessage =>
  isText(message) ? message : reread(textOf(message.text as Uint8Array));

const isText = (message: Message): message is TextMessage => typeof message.text === 'string';

/** Throws TypeError for what is no message: the editing was wrong. */
export function reread(text: string): TextMessage {
  const message = readMessage(text);
  if (message.kind === 'malformed') throw new TypeError(message.reason);
  return message as TextMessage;
}

/** `members` in front of those of the object that stands there. */
function insert(text: string, { start, end }: Span, members: string): string {
  const isEmpty = text.slice(start + 1, end - 1).trim() === '';
  return `${text.slice(0, start + 1)}${members}${isEmpty ? '' : ','}${text.slice(start + 1)}`;
}

/** As JSON text without braces, to be put among others. */
export const inner = (members: Members): string => JSON.stringify(members).slice(1, -1);

const joined = (...parts: readonly string[]): string => parts.filter((part) => part !== '').join(',');
