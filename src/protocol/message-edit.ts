/**
 * Messages with members put into their text; everything else in it stays as it came. For what the bridge adds to a
 * request here and there: what only passes is never read again.
 */
import { memberSpans, type Span } from './json-text.ts';
import type { Message } from './message.ts';
import { readMessage } from './read-message.ts';
import { textOf } from './utf8.ts';

export type Members = Readonly<Record<string, unknown>>;

/** With these members in front of those of `params._meta`, and of `params`. */
export function withMeta(request: Message, meta: Members, members: Members = {}): Message {
  const text = wholeText(request);
  const [inMeta, inParams] = [inner(meta), inner(members)];
  const { payloadSpan } = request;
  if (payloadSpan === undefined) {
    const end = text.lastIndexOf('}');
    return reread(`${text.slice(0, end)},"params":{${joined(inParams, `"_meta":{${inMeta}}`)}}}`);
  }
  const own = memberSpans(text, payloadSpan.start, ['_meta']);
  const ownMeta = typeof own === 'string' ? undefined : own[0];
  if (ownMeta !== undefined && text[ownMeta.start] === '{') {
    const withMembers = insert(text, ownMeta, inMeta);
    return reread(inParams === '' ? withMembers : insert(withMembers, payloadSpan, inParams));
  }
  return reread(insert(text, payloadSpan, joined(inParams, `"_meta":{${inMeta}}`)));
}

export const wholeText = ({ text }: Message): string => (typeof text === 'string' ? text : textOf(text));

/** Throws TypeError for what is no message: the editing was wrong. */
export function reread(text: string): Message {
  const message = readMessage(text);
  if (message.kind === 'malformed') throw new TypeError(message.reason);
  return message;
}

/** `members` in front of those of the object that stands there. */
function insert(text: string, { start, end }: Span, members: string): string {
  const isEmpty = text.slice(start + 1, end - 1).trim() === '';
  return `${text.slice(0, start + 1)}${members}${isEmpty ? '' : ','}${text.slice(start + 1)}`;
}

const inner = (members: Members): string => JSON.stringify(members).slice(1, -1);

const joined = (...parts: readonly string[]): string => parts.filter((part) => part !== '').join(',');
