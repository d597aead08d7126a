/**
 * `${NAME}` and `${NAME:-default}` in values of the servers file. An unset or empty name without a default is a
 * fault: a silently empty token is found much later and much harder. `$${` stands for a literal `${`.
 */

export type Lookup = (name: string) => string | undefined;

export type Interpolated = { readonly text: string } | { readonly found: string; readonly allowed: string };

const reference = /\$\$\{|\$\{([^}]*)(\}?)/g;
const inside = /^([A-Za-z_][A-Za-z0-9_]*)(?::-((?:(?!\$\{).)*))?$/s;

/** Fills in every reference of `text`, or says which one cannot be filled in. */
export function interpolate(text: string, lookup: Lookup): Interpolated {
  if (!text.includes('${')) return { text };
  let problem: { found: string; allowed: string } | undefined;
  const filled = text.replaceAll(reference, (whole: string, body: string | undefined, end: string) => {
    if (body === undefined) return '${';
    const parts = end === '' ? null : inside.exec(body);
    const name = parts?.[1];
    if (name === undefined) {
      problem ??= {
        found: `found ${JSON.stringify(whole)}`,
        // biome-ignore lint/suspicious/noTemplateCurlyInString: this is the text that the operator may write
        allowed: 'allowed: ${NAME} or ${NAME:-default}; write $${ for a literal ${',
      };
      return '';
    }
    const value = lookup(name);
    if (value !== undefined && value !== '') return value;
    const fallback = parts?.[2];
    if (fallback === undefined) {
      problem ??= {
        found: `${name} is not set`,
        allowed: `set it in the environment or in .env, or write \${${name}:-default}`,
      };
    }
    return fallback ?? '';
  });
  return problem ?? { text: filled };
}
