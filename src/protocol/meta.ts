/** `params._meta` as far as a bridge looks at it. MCP basic protocol, "_meta"; utilities, "Progress". */
import type { JsonScanner } from './json-scanner.ts';
import { isStringOrNumber, type Span } from './json-text.ts';
import { VERSION_KEY } from './modern-keys.ts';

export interface Meta {
  readonly span: Span;
  /** Of `progressToken`, where that is a string or a number. */
  readonly tokenSpan: Span | undefined;
  /** It names a protocol version. */
  readonly isModern: boolean;
  /** Which of its keys stands there twice. */
  readonly twice: string | undefined;
}

/** Reads the value that comes next, which is that of `params._meta`. */
export function readMeta(scanner: JsonScanner): Meta {
  const { text } = scanner;
  scanner.peek();
  const start = scanner.at;
  let token: Span | undefined;
  let isModern = false;
  let twice: string | undefined;
  if (!scanner.openObject()) scanner.value(2);
  else if (!scanner.closesAtOnce()) {
    do {
      const key = scanner.key();
      const span = scanner.spanOfValue(3);
      if (key === 'progressToken') {
        if (token !== undefined) twice ??= 'params._meta.progressToken';
        token = span;
      } else if (key === VERSION_KEY) {
        if (isModern) twice ??= `params._meta["${VERSION_KEY}"]`;
        isModern = true;
      }
    } while (scanner.more());
  }
  return {
    span: { start, end: scanner.at },
    tokenSpan: isStringOrNumber(text, token) ? token : undefined,
    isModern,
    twice,
  };
}
