/**
 * Reads an event stream with LF line ends, as the bridge sends it: ids and JSON data; comments and the rest pass by.
 */
export interface StreamEvent {
  readonly id: string | undefined;
  /** Empty for an event that has only an id. */
  readonly data: string;
}

/** Returns a function that takes the text as it comes, in any pieces. */
export function eventReader(event: (event: StreamEvent) => void): (text: string) => void {
  let rest = '';
  return (text) => {
    const blocks = (rest + text).split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) {
      const fields = block.split('\n').map((line) => /^(\w+): ?(.*)$/s.exec(line));
      const valuesOf = (name: string): string[] =>
        fields.flatMap((field) => (field?.[1] === name ? [field[2] ?? ''] : []));
      const id = valuesOf('id').at(-1);
      const data = valuesOf('data');
      if (id !== undefined || data.length > 0) event({ id, data: data.join('\n') });
    }
  };
}
