/**
 * Globs without regular expressions: a name comes from whoever calls, and a pattern with several stars can take time
 * that grows with a power of the name's length.
 */

/** Whether a text is of the form that `glob` describes. `*` stands for any characters, also none; case counts. */
export function compileGlob(glob: string): (text: string) => boolean {
  const [first = '', ...rest] = glob.split('*');
  const last = rest.pop();
  if (last === undefined) return (text) => text === glob;
  const least = first.length + last.length;
  return (text) => {
    if (text.length < least || !text.startsWith(first) || !text.endsWith(last)) return false;
    const end = text.length - last.length;
    let at = first.length;
    // The leftmost place of each part leaves the most room for the next.
    for (const part of rest) {
      const found = text.indexOf(part, at);
      if (found === -1 || found + part.length > end) return false;
      at = found + part.length;
    }
    return true;
  };
}
