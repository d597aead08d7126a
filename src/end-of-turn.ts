/**
 * What a turn of the event loop has brought is worked off at its end, each kind in one go: requests are served, then
 * servers are written to. A request that is read, served and written on its own has the code of all three fetched into
 * the processor's caches again each time; and one write to a server carries what many requests have sent.
 */

/** Does not throw. */
export interface Task {
  run(): void;
}

const requests: Task[] = [];
const writes: Task[] = [];
let isAwaited = false;

/** In the order of the calls. */
export const serveAtEndOfTurn = (request: Task): void => add(requests, request);

/** Behind all requests, those that come meanwhile included. */
export const writeAtEndOfTurn = (write: Task): void => add(writes, write);

function add(kind: Task[], task: Task): void {
  kind.push(task);
  if (isAwaited) return;
  isAwaited = true;
  setImmediate(workOff);
}

function workOff(): void {
  for (const request of requests) request.run();
  requests.length = 0;
  for (const write of writes) write.run();
  writes.length = 0;
  isAwaited = false;
}
