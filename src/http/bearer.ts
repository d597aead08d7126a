/** Bearer tokens that are known beforehand: read from the header, compared in constant time. RFC 6750. */
import { createHash, timingSafeEqual } from 'node:crypto';

/** The credentials of an Authorization header; undefined when it is not of the form `Bearer TOKEN`. */
export function bearerToken(authorization: string): string | undefined {
  return /^bearer +([\x21-\x7e]+) *$/i.exec(authorization)?.[1];
}

export interface TokenBook<T> {
  /** What belongs to `token`. Takes equally long whatever is in it: every entry is compared, as digests. */
  find(token: string): T | undefined;
}

export function createTokenBook<T>(entries: readonly (readonly [token: string, owner: T])[]): TokenBook<T> {
  const book = entries.map(([token, owner]) => ({ digest: digestOf(token), owner }));
  return {
    find(token) {
      const digest = digestOf(token);
      let found: T | undefined;
      for (const entry of book) if (timingSafeEqual(entry.digest, digest)) found = entry.owner;
      return found;
    },
  };
}

const digestOf = (token: string): Buffer => createHash('sha256').update(token).digest();
