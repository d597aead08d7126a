/**
 * What a message must look like after the bridge has passed it on, found the slow way: the text is cut into tokens,
 * every token is written down again, and only those at the two places that a bridge changes are replaced. Shares no
 * code with src/protocol, on purpose.
 */

export interface SlowReading {
  /** As one line, with the id and the token replaced. */
  readonly text: string;
  /** As they stood in the message; undefined where there was none. */
  readonly id: string | undefined;
  readonly token: string | undefined;
}

const TOKEN = /"(?:[^"\\]|\\.)*"|[-+.\w]+|[{}[\]:,]|[ \t\r\n]+/gy;

interface Level {
  readonly isObject: boolean;
  key: string | undefined;
  /** The next string is a key. */
  expectsKey: boolean;
}

/** `tokenPath` is where the progress token stands, such as `params._meta.progressToken`. */
export function slowRewrite(
  message: string,
  id: string,
  { token, tokenPath }: { readonly token: string; readonly tokenPath: string },
): SlowReading {
  const levels: Level[] = [];
  const found: { id?: string; token?: string } = {};
  let text = '';
  let at = 0;

  const path = (): string => levels.map(({ isObject, key }) => (isObject ? key : '[]')).join('.');
  const scalar = (word: string): string => {
    const here = path();
    if (here === 'id') {
      found.id = word;
      return id;
    }
    if (here !== tokenPath) return word;
    found.token = word;
    return token;
  };

  TOKEN.lastIndex = 0;
  for (let match = TOKEN.exec(message); match !== null; match = TOKEN.exec(message)) {
    const [word] = match;
    at = TOKEN.lastIndex;
    const level = levels.at(-1);
    if (/^[ \t\r\n]/.test(word)) text += word.replace(/[\r\n]/g, ' ');
    else if (word === '{' || word === '[') {
      levels.push({ isObject: word === '{', key: undefined, expectsKey: word === '{' });
      text += word;
    } else if (word === '}' || word === ']') {
      levels.pop();
      text += word;
    } else if (word === ',') {
      if (level !== undefined) level.expectsKey = level.isObject;
      text += word;
    } else if (word === ':') text += word;
    else if (level?.expectsKey === true) {
      level.key = JSON.parse(word) as string;
      level.expectsKey = false;
      text += word;
    } else text += scalar(word);
  }
  if (at !== message.length) throw new Error(`the reference cannot read on from character ${at}`);
  return { text, id: found.id, token: found.token };
}
