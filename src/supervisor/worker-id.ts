/** Names for worker processes: 50 random bits, so that no process ever has the id of another one. */
import { randomBytes } from 'node:crypto';

const ALPHABET = 'abcdefghijkmnpqrstuvwxyz23456789';

export const workerId = (): string => [...randomBytes(10)].map((byte) => ALPHABET[byte % 32]).join('');
