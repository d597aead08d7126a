/**
 * The progress line: one line that is rewritten on a terminal, one line for each step elsewhere.
 */
export interface Progress {
  /** Begins a scenario; steps are shown under its name. */
  scenario(name: string): void;
  step(text: string): void;
  /** Clears the line, so that a table can follow. */
  clear(): void;
}

export function progressOn(stream: NodeJS.WriteStream): Progress {
  const startedAt = performance.now();
  let current = '';
  return {
    scenario(name) {
      current = name;
    },
    step(text) {
      const elapsed = `${((performance.now() - startedAt) / 1000).toFixed(0)} s`.padStart(6);
      const line = `${elapsed}  ${current}  ${text}`;
      stream.write(stream.isTTY ? `\r\x1b[2K${line.slice(0, stream.columns - 1)}` : `${line}\n`);
    },
    clear() {
      if (stream.isTTY) stream.write('\r\x1b[2K');
    },
  };
}
