/** Bytes that were right, and a few changes that make them wrong: what parsers trip over is near what they expect. */
import fc from 'fast-check';

/** Bytes that mean something to a parser of HTTP or JSON. */
const TELLING = [
  '\0',
  '\r',
  '\n',
  '\r\n',
  '\r\n\r\n',
  ' ',
  '\t',
  ':',
  '"',
  '\\',
  '{',
  '}',
  '[',
  ']',
  ',',
  '0',
  '-1',
  '99999999999999999999',
  '1e309',
  'null',
  '\x7f',
  '\x80',
  '\xff',
  '\xc0\x80',
  '\xed\xa0\x80',
  '\xef\xbb\xbf',
  '%00',
  '%2f',
  '__proto__',
];

interface Change {
  readonly kind: 'set' | 'insert' | 'remove' | 'repeat' | 'cut';
  /** Where, as a share of the length. */
  readonly at: number;
  readonly length: number;
  readonly text: string;
}

const change: fc.Arbitrary<Change> = fc.record({
  kind: fc.constantFrom('set', 'insert', 'insert', 'remove', 'repeat', 'cut'),
  // Left to itself fast-check prefers the edges, and a changed first byte is all that a parser sees.
  at: fc.noBias(fc.nat(9_999)).map((place) => place / 10_000),
  length: fc.oneof(fc.nat(4), fc.nat(64)),
  text: fc.oneof(
    fc.constantFrom(...TELLING),
    fc.string({ unit: 'binary-ascii', maxLength: 8 }),
    fc.uint8Array({ maxLength: 4 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
  ),
});

/** `bytes`, changed in up to `most` places; unchanged now and then. */
export function mutated(bytes: fc.Arbitrary<Buffer>, most: number): fc.Arbitrary<Buffer> {
  return fc
    .tuple(bytes, fc.array(change, { maxLength: most }))
    .map(([given, changes]) => changes.reduce(apply, given));
}

function apply(bytes: Buffer, { kind, at, length, text }: Change): Buffer {
  const start = Math.floor(at * bytes.length);
  const [before, after] = [bytes.subarray(0, start), bytes.subarray(start)];
  const put = Buffer.from(text, 'latin1');
  switch (kind) {
    case 'cut':
      return before;
    case 'remove':
      return Buffer.concat([before, after.subarray(length)]);
    case 'repeat':
      return Buffer.concat([before, after.subarray(0, length), after]);
    case 'insert':
      return Buffer.concat([before, put, after]);
    case 'set':
      return Buffer.concat([before, put, after.subarray(put.length)]);
  }
}
