/**
 * One spelling for every id that means the same. A peer that answers has parsed the id and writes it down anew: from
 * `"a\/b"` (PHP) or `"\u00e9"` (Python) comes `"a/b"` or `"é"`, from `1.0` comes `1`. JSON-RPC 2.0, section 5.
 */

/** `id` is JSON text, of a string or a number. Integers stay as they are, however large. */
export function idKey(id: string): string {
  if (id.startsWith('"')) return id.includes('\\') ? JSON.stringify(JSON.parse(id)) : id;
  return /^(0|-?[1-9]\d*)$/.test(id) ? id : String(Number(id));
}
