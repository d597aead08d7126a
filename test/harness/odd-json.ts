/**
 * Valid JSON-RPC messages of every odd form that JSON allows, written from a list of choices: the same choices give
 * the same text, fewer or smaller ones a simpler text, so that fast-check shrinks what fails.
 */

export type MessageForm = 'request' | 'progress' | 'result' | 'error';

const NUMBERS = [
  '0',
  '-0',
  '1',
  '9007199254740993',
  '-123456789012345678901234567890',
  '18446744073709551615',
  '1.0',
  '1E400',
  '-1.5e+300',
  '0.1000000000000000055',
  '2e-7',
];

/** Inner texts of strings: what looks like structure, escapes in odd spellings, characters beyond ASCII. */
const PIECES = [
  'a',
  'id',
  '\\"',
  '\\\\',
  '\\\\\\"',
  '\\"id\\":1,\\"',
  '{\\"',
  '}',
  '[',
  ']',
  ',',
  ':',
  '\\/',
  '\\n',
  '\\r\\n',
  '\\u0069\\u0064',
  '\\u000a',
  '\\ud83d\\ude00',
  '\\uD800',
  '\\udc00x',
  '😀',
  'é',
  '\u2028',
  '\u007f',
  '\ufeff',
  '\uffff',
  ' ',
  'null',
  '_meta',
  'progressToken',
];

const SPACES = ['', '', '', '', ' ', '\n', '\r\n', '\t', '\r', ' \n\t '];

const IDS = [...NUMBERS, '""', '"a"', '"1"', '"\\"id\\":1"', '"é😀"', '"\\u0031"', '"\\\\"'];

/** Spellings of names that a bridge looks at. */
const ESCAPED: Readonly<Record<string, string>> = {
  id: '"\\u0069d"',
  method: '"m\\u0065thod"',
  params: '"\\u0070arams"',
  result: '"resul\\u0074"',
  _meta: '"\\u005Fmeta"',
  progressToken: '"progress\\u0054oken"',
};

/** Every name below occurs as a member of a deeper object, some of them twice, and never where it would count. */
const EXTRA_KEYS = [
  '"x"',
  '"x"',
  '""',
  '"ID"',
  '"\\u0069\\u0064\\u0064"',
  '"a\\"id\\""',
  '"é"',
  '"__proto__"',
];
const NESTED_KEYS = [
  ...EXTRA_KEYS,
  '"id"',
  '"method"',
  '"_meta"',
  '"progressToken"',
  '"params"',
  '"jsonrpc"',
];

const METHODS = ['"tools/call"', '"tools\\/call"', '"odd/\\u00e9"', '"ping"'];
/** Beyond it a value is no longer an array or an object. */
const MAX_NESTING = 12;
/** Towers of brackets and of members named `id`; together with the rest they stay below the bridge's limit. */
const TOWERS = [8, 64, 200];

class Writer {
  readonly #choices: ArrayLike<number>;
  #next = 0;

  constructor(choices: ArrayLike<number>) {
    this.#choices = choices;
  }

  /** The next choice among `count`; the first of them when the choices are used up. */
  choose(count: number): number {
    return (this.#choices[this.#next++] ?? 0) % count;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.choose(list.length)] as T;
  }

  space(): string {
    return this.pick(SPACES);
  }

  string(): string {
    let inner = '';
    for (let left = this.choose(4); left > 0; left--) inner += this.pick(PIECES);
    return `"${inner}"`;
  }

  value(depth: number): string {
    switch (this.choose(depth < MAX_NESTING ? 9 : 5)) {
      case 0:
        return this.pick(['null', 'true', 'false']);
      case 1:
      case 2:
        return this.pick(NUMBERS);
      case 3:
      case 4:
        return this.string();
      case 5:
        return this.array(depth);
      case 6:
        return this.tower();
      default:
        return this.object(this.members(NESTED_KEYS, depth));
    }
  }

  tower(): string {
    const levels = this.pick(TOWERS);
    const [open, close] = this.pick([
      ['[', ']'],
      ['{"id":', '}'],
    ] as const);
    return open.repeat(levels) + this.string() + close.repeat(levels);
  }

  array(depth: number): string {
    const values: string[] = [];
    for (let left = this.choose(4); left > 0; left--) values.push(this.around(this.value(depth + 1)));
    return `[${values.length === 0 ? this.space() : values.join(',')}]`;
  }

  members(keys: readonly string[], depth: number): string[] {
    const members: string[] = [];
    for (let left = this.choose(4); left > 0; left--) {
      members.push(this.member(this.pick(keys), this.value(depth + 1)));
    }
    return members;
  }

  member(key: string, value: string): string {
    return `${this.around(key)}:${this.around(value)}`;
  }

  /** A member whose name counts, sometimes spelled with an escape. */
  named(name: string, value: string): string {
    const escaped = ESCAPED[name];
    return this.member(escaped !== undefined && this.choose(8) === 1 ? escaped : `"${name}"`, value);
  }

  around(text: string): string {
    return this.space() + text + this.space();
  }

  /** The members in some order. */
  object(members: string[]): string {
    const ordered: string[] = [];
    while (members.length > 0) ordered.push(...members.splice(this.choose(members.length), 1));
    return `{${ordered.length === 0 ? this.space() : ordered.join(',')}}`;
  }

  params(form: MessageForm): string {
    const members = this.members(EXTRA_KEYS, 2);
    if (form === 'progress') members.push(this.named('progressToken', this.pick(IDS)));
    if (this.choose(2) === 1) members.push(this.member('"name"', this.string()));
    if (this.choose(2) === 1) members.push(this.member('"arguments"', this.value(2)));
    if (form === 'request' && this.choose(3) > 0) {
      const meta = this.members(EXTRA_KEYS, 3);
      if (this.choose(3) > 0) meta.push(this.named('progressToken', this.pick(IDS)));
      members.push(this.named('_meta', this.object(meta)));
    }
    return this.object(members);
  }

  message(form: MessageForm): string {
    const members = [this.member('"jsonrpc"', this.pick(['"2.0"', '"2.0"', '"2\\u002e0"']))];
    if (form !== 'progress') members.push(this.named('id', this.pick(IDS)));
    if (form === 'request') members.push(this.named('method', this.pick(METHODS)));
    if (form === 'progress') members.push(this.named('method', '"notifications/progress"'));
    if (form === 'request' || form === 'progress') {
      if (form === 'progress' || this.choose(8) > 0) members.push(this.named('params', this.params(form)));
    } else if (form === 'result') members.push(this.named('result', this.value(1)));
    else members.push(this.member('"error"', this.object(this.members(NESTED_KEYS, 2))));
    members.push(...this.members(EXTRA_KEYS, 1));
    return this.around(this.object(members));
  }
}

/** One message; `choices` are small non-negative integers. */
export const oddMessage = (choices: ArrayLike<number>, form: MessageForm): string =>
  new Writer(choices).message(form);
