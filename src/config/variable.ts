/** The kinds of environment variables: what text is allowed, and the value it stands for. */
import { parseCidr, parseHost, parseHostHeader, parseOrigin } from './address.ts';
import { nearest } from './nearest.ts';

export interface Variable<T, F = T> {
  /** A phrase after "allowed:". */
  readonly allowed: string;
  /** The value when it is not set. */
  readonly fallback: F;
  /** The default in words, where the fallback does not say it. */
  readonly default?: string;
  /** One sentence, without its full stop. */
  readonly doc: string;
  /** Its text is never shown. */
  readonly secret?: true;
  /** The value, or undefined when the text is not allowed. */
  parse(text: string): T | undefined;
}

interface Entry<F> {
  readonly fallback: F;
  readonly default?: string;
  readonly doc: string;
}

/** The longest delay of a timer: 24.8 days. */
export const maxMs = 2_147_483_647;

export function wholeNumber<F>(entry: Entry<F> & { min: number; max: number }): Variable<number, F> {
  const { min, max, ...rest } = entry;
  return {
    ...rest,
    allowed: `a whole number from ${min} to ${max}`,
    parse: (text) => {
      const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
      return value >= min && value <= max ? value : undefined;
    },
  };
}

/** One of a few words, in any case; the value is in lower case. */
export function word<const T extends string>(
  entry: Entry<NoInfer<T>> & { words: readonly T[] },
): Variable<T> {
  const { words, ...rest } = entry;
  return {
    ...rest,
    allowed: words.join(', '),
    parse: (text) => words.find((known) => known.toLowerCase() === text.toLowerCase()),
  };
}

export function plainText(entry: Entry<undefined> & { allowed: string }): Variable<string, undefined> {
  return { ...entry, parse: (text) => (text.includes('\0') ? undefined : text) };
}

/** Visible ASCII, which alone fits a header; `${` is a template that nobody filled in. */
const isSecret = (text: string): boolean => /^[\x21-\x7e]+$/.test(text) && !text.includes('${');

const secretText = 'visible ASCII characters without blanks, and no ${ that waits to be filled in';

export function secret<F>(entry: Entry<F>): Variable<string, F> {
  return {
    ...entry,
    secret: true,
    allowed: secretText,
    parse: (text) => (isSecret(text) ? text : undefined),
  };
}

function commaSeparated<T>(text: string, parse: (item: string) => T | undefined): T[] | undefined {
  const items = text.split(',').map((item) => item.trim());
  const values = items.filter((item) => item !== '').map(parse);
  const good = values.filter((value) => value !== undefined);
  return good.length === values.length && good.length > 0 ? good : undefined;
}

export function secrets(entry: Entry<readonly string[]>): Variable<readonly string[]> {
  return {
    ...entry,
    secret: true,
    allowed: `${secretText}; several separated by commas`,
    parse: (text) => commaSeparated(text, (item) => (isSecret(item) ? item : undefined)),
  };
}

export function host(entry: Entry<undefined>): Variable<string, undefined> {
  return { ...entry, allowed: 'an IP address or a host name', parse: parseHost };
}

export function hostHeaders(entry: Entry<undefined>): Variable<readonly string[], undefined> {
  return {
    ...entry,
    allowed: 'host names such as mcp.example.com, separated by commas, without scheme or path',
    parse: (text) => commaSeparated(text, parseHostHeader)?.flat(),
  };
}

export function origins(entry: Entry<undefined>): Variable<readonly string[], undefined> {
  return {
    ...entry,
    allowed: 'origins such as https://app.example.com, separated by commas, without a path',
    parse: (text) => commaSeparated(text, parseOrigin),
  };
}

export function trustedProxies(entry: Entry<false>): Variable<boolean | readonly string[], false> {
  return {
    ...entry,
    allowed: 'true, false, or CIDRs such as 10.0.0.0/8, separated by commas',
    parse: (text) => {
      const lower = text.toLowerCase();
      return lower === 'true' || lower === 'false' ? lower === 'true' : commaSeparated(lower, parseCidr);
    },
  };
}

export function workerCount(entry: Entry<'auto'>): Variable<number | 'auto'> {
  const count = wholeNumber({ ...entry, min: 1, max: 1024 });
  return {
    ...entry,
    allowed: `auto, or ${count.allowed}`,
    parse: (text) => (text.toLowerCase() === 'auto' ? 'auto' : count.parse(text)),
  };
}

/**
 * Free, since people have `staging` and `test`; but it names a file, and a slip of `production` must not
 * quietly drop what production demands.
 */
export function environmentName(entry: Entry<'development'>): Variable<string> {
  return {
    ...entry,
    allowed: 'production, development, or a plain name that is unlike both',
    parse: (text) => {
      if (text === 'production' || text === 'development') return text;
      return /^[\w-]{1,32}$/.test(text) && nearest(text, ['production', 'development']) === undefined
        ? text
        : undefined;
    },
  };
}
