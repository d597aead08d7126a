/** Prints what E2B has logged of a sandbox, oldest first: view-sandbox-logs.ts ID. */
import { ApiClient, ConnectionConfig } from 'e2b';
import { apiKey, type Main, runCommand, UsageError } from './command.ts';

/** The most that E2B gives at once. */
const PAGE = 1000;

export const viewLogs: Main = async ([id, ...rest], print) => {
  if (id === undefined || rest.length > 0) {
    throw new UsageError('usage: view-sandbox-logs.ts ID; "sandbox-manager.ts list" shows the ids');
  }
  const client = new ApiClient(new ConnectionConfig({ apiKey: apiKey() }));
  let cursor: number | undefined;
  let printed = new Set<string>();
  for (;;) {
    const { data, error, response } = await client.api.GET('/v2/sandboxes/{sandboxID}/logs', {
      params: {
        path: { sandboxID: id },
        query: { direction: 'forward', limit: PAGE, ...(cursor !== undefined && { cursor }) },
      },
    });
    if (response.status === 404) throw new Error(`there is no sandbox ${id}`);
    if (data === undefined) throw new Error(`E2B answered ${response.status}: ${error?.message ?? ''}`);
    const lines = data.logs.map(
      ({ timestamp, level, message }) => `${timestamp} ${level.toUpperCase().padEnd(5)} ${message}\n`,
    );
    const fresh = lines.filter((line) => !printed.has(line));
    print(fresh.join(''));
    if (data.logs.length < PAGE || fresh.length === 0) return;
    // In milliseconds: the next page begins with lines of this one again.
    cursor = Date.parse(data.logs.at(-1)?.timestamp ?? '');
    printed = new Set(lines);
  }
};

await runCommand(import.meta.url, viewLogs);
