/** What may be shown of commands and URLs: everything but what may be secret in them. */

export const mask = '****';

/** A URL without what may be secret: user, password and the values of the query. */
export function maskUrl(written: string): string {
  return written.replace(/\/\/[^/@]*@/, `//${mask}@`).replace(/([?&][^=&#?]*=)[^&#]*/g, `$1${mask}`);
}

/** Secrets sit in arguments too: `--api-key abc`, `TOKEN=abc`. What came by `${NAME}` is shown as `${NAME}`. */
export function maskArguments(words: readonly string[]): string {
  const sensitive = /(key|token|secret|passw|credential|authorization)/i;
  return words
    .map((word, index) => {
      const [, name = '', value = ''] = /^([^=\s]*)=(.*)$/s.exec(word) ?? [];
      if (/^\$\{[^}:]*\}$/.test(word)) return word;
      if (value !== '' && sensitive.test(name) && !name.includes('//')) return `${name}=${mask}`;
      const before = words[index - 1] ?? '';
      if (/^--?[\w-]+$/.test(before) && sensitive.test(before)) return mask;
      if (/\/\//.test(word)) return maskUrl(word);
      return /^[^\s"'$]+$/.test(word) ? word : JSON.stringify(word);
    })
    .join(' ');
}
