/**
 * A session that shares its child with others. The bridge stands between: it initialised the child without client
 * capabilities, keeps log levels and counts subscriptions per session, and passes on only what concerns this one.
 */
import { asBridgeError } from '../errors.ts';
import type { Scope, ScopeListener } from '../pool/scope.ts';
import { type Message, parsePayload } from '../protocol/message.ts';
import { severityOf } from '../protocol/methods.ts';
import type { ClientRequest } from './client-request.ts';
import type { Shelf } from './event-shelf.ts';
import { askScope } from './scope-requests.ts';
import { Session, type SessionFacts } from './session.ts';

/** No log message at all until the client asks for some: they may speak of other sessions' calls. */
const NO_LOG = Number.POSITIVE_INFINITY;

export class PooledSession extends Session implements ScopeListener {
  readonly #scope: Scope;
  readonly #uris = new Set<string>();
  #minSeverity = NO_LOG;

  constructor(facts: SessionFacts, scope: Scope, shelf: Shelf) {
    super(facts, shelf);
    this.#scope = scope;
    scope.attach(this);
  }

  notified(message: Message): void {
    if (this.#concerns(message)) this.tell(message.text);
  }

  protected override ask(request: ClientRequest): void {
    const { method, target } = request.message;
    if (method === 'logging/setLevel') this.#setLevel(request);
    else if (method === 'resources/subscribe' && target !== undefined) this.#subscribe(request, target);
    else if (method === 'resources/unsubscribe' && target !== undefined) this.#unsubscribe(request, target);
    else askScope(this.#scope, request);
  }

  protected override notify(_message: Message): void {
    // `initialized`, `roots/list_changed`: between this client and the bridge only.
  }

  protected override respond(_message: Message): void {
    // Nobody asks the client of a shared child anything.
  }

  protected override async release(): Promise<void> {
    this.#scope.detach(this);
    for (const uri of this.#uris) void this.#scope.unsubscribe(uri);
  }

  #concerns(message: Message): boolean {
    const { method, target } = message;
    if (method === 'notifications/resources/updated') return target !== undefined && this.#uris.has(target);
    if (method.endsWith('/list_changed')) return true;
    if (method !== 'notifications/message' || this.#minSeverity === NO_LOG) return false;
    return severityOf(parsePayload(message)['level']) >= this.#minSeverity;
  }

  #setLevel(request: ClientRequest): void {
    const { level } = parsePayload(request.message);
    const severity = severityOf(level);
    if (severity === -1) {
      request.invalid(`"level" must be one of the eight syslog severities; found ${JSON.stringify(level)}.`);
      return;
    }
    this.#minSeverity = severity;
    this.#scope.wantLogs(String(level), severity).then(
      () => request.answerWith('{}'),
      (error: unknown) => request.failed(asBridgeError(error)),
    );
  }

  #subscribe(request: ClientRequest, uri: string): void {
    if (this.#uris.has(uri)) {
      request.answerWith('{}');
      return;
    }
    this.#uris.add(uri);
    void this.#scope.subscribe(uri).then((refusal) => {
      if (refusal !== undefined) this.#uris.delete(uri);
      request.settled(refusal);
    });
  }

  #unsubscribe(request: ClientRequest, uri: string): void {
    const told = this.#uris.delete(uri) ? this.#scope.unsubscribe(uri) : Promise.resolve();
    void told.then(() => request.answerWith('{}'));
  }
}
