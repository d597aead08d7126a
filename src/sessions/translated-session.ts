/**
 * A legacy session with a server of the modern era, which knows no sessions: what a session remembers, the bridge
 * remembers for it and says with each request. The children are the session's own or shared with others; what
 * differs is whose log messages they are.
 */
import { asBridgeError, BridgeError } from '../errors.ts';
import type { Scope, ScopeListener } from '../pool/scope.ts';
import { type Message, parsePayload } from '../protocol/message.ts';
import { isModernOnly, needsOwnChild, severityOf } from '../protocol/methods.ts';
import { SUBSCRIPTION_KEY } from '../protocol/modern-keys.ts';
import { ClientQuestions } from './client-questions.ts';
import type { ClientRequest } from './client-request.ts';
import type { Shelf } from './event-shelf.ts';
import { Session, type SessionFacts } from './session.ts';
import type { ToolTable } from './tool-table.ts';
import { type AskClient, TranslatedCall } from './translated-call.ts';

export interface TranslatedSessionOptions {
  readonly scope: Scope;
  readonly shelf: Shelf;
  /** Nobody else uses the scope; it ends with the session. */
  readonly isOwn: boolean;
  readonly tools: ToolTable;
  /** What the client said in `initialize`. */
  readonly capabilities: Readonly<Record<string, unknown>>;
  readonly clientInfo: unknown;
  /** What the server declares. */
  readonly serverCapabilities: Readonly<Record<string, unknown>>;
}

/** Until the client asks for another one; nothing from children that others use too. */
const FIRST_LEVEL = 'info';

export class TranslatedSession extends Session implements ScopeListener {
  readonly #options: TranslatedSessionOptions;
  readonly #uris = new Set<string>();
  readonly #questions: ClientQuestions;
  #logLevel: string | undefined;

  constructor(facts: SessionFacts, options: TranslatedSessionOptions) {
    super(facts, options.shelf);
    this.#options = options;
    this.#questions = new ClientQuestions({ version: facts.version, capabilities: options.capabilities });
    if (options.isOwn && options.serverCapabilities['logging'] !== undefined) this.#logLevel = FIRST_LEVEL;
    options.scope.attach(this);
  }

  notified(message: Message): void {
    if (!this.#concerns(message)) return;
    const { method } = message;
    const { _meta, ...params } = parsePayload(message);
    const { [SUBSCRIPTION_KEY]: _ofTheBridge, ...meta } = (_meta ?? {}) as Record<string, unknown>;
    const own = Object.keys(meta).length > 0 ? { ...params, _meta: meta } : params;
    this.tell(JSON.stringify({ jsonrpc: '2.0', method, params: own }));
  }

  protected override ask(request: ClientRequest): void {
    const { method, target } = request.message;
    if (method === 'ping') request.answerWith('{}');
    else if (method === 'logging/setLevel') this.#setLevel(request);
    else if (method === 'resources/subscribe') this.#subscribe(request, target);
    else if (method === 'resources/unsubscribe') this.#unsubscribe(request, target);
    else if (needsOwnChild(method) || isModernOnly(method)) {
      request.failed(new BridgeError('unknown_method', `"${method}" is not offered in this session.`));
    } else this.#call(request);
  }

  protected override notify(_message: Message): void {
    // `initialized`, `roots/list_changed`: a modern server asks anew each time.
  }

  protected override respond(message: Message): void {
    this.#questions.answered(message);
  }

  protected override async release(): Promise<void> {
    const { scope, isOwn } = this.#options;
    this.#questions.close();
    scope.detach(this);
    if (isOwn) await scope.close();
    else for (const uri of this.#uris) void scope.unsubscribe(uri);
  }

  #call(request: ClientRequest): void {
    const { scope, tools, capabilities, clientInfo } = this.#options;
    const envelope = { capabilities, clientInfo, logLevel: this.#logLevel };
    Promise.resolve(scope.acquire()).then(
      (child) => new TranslatedCall({ request, child, envelope, tools, ask: this.#askClient }).start(),
      (error: unknown) => request.failed(asBridgeError(error)),
    );
  }

  /** It belongs to the call: the answer of the call comes before the GET stream. */
  readonly #askClient: AskClient = (request, question) =>
    this.#questions.ask(question, (text) => request.delivery.event(text) || this.outlet.send(text));

  #concerns({ method, target, ...message }: Message): boolean {
    if (method === 'notifications/resources/updated') return target !== undefined && this.#uris.has(target);
    if (method.endsWith('/list_changed')) return true;
    if (method !== 'notifications/message' || this.#logLevel === undefined) return false;
    const { level } = parsePayload({ method, target, ...message });
    return severityOf(level) >= severityOf(this.#logLevel);
  }

  #setLevel(request: ClientRequest): void {
    const { level } = parsePayload(request.message);
    if (this.#options.serverCapabilities['logging'] === undefined) {
      request.failed(new BridgeError('unknown_method', `Server "${this.facts.server}" has no logging.`));
    } else if (severityOf(level) === -1) {
      request.invalid(`"level" must be one of the eight syslog severities; found ${JSON.stringify(level)}.`);
    } else {
      this.#logLevel = String(level);
      request.answerWith('{}');
    }
  }

  #subscribe(request: ClientRequest, uri: string | undefined): void {
    if (!this.#checkSubscribing(request, uri)) return;
    const { scope } = this.#options;
    if (this.#uris.has(uri)) {
      request.answerWith('{}');
      return;
    }
    this.#uris.add(uri);
    void scope.subscribe(uri).then((refusal) => {
      if (refusal !== undefined) this.#uris.delete(uri);
      request.settled(refusal);
    });
  }

  #unsubscribe(request: ClientRequest, uri: string | undefined): void {
    if (!this.#checkSubscribing(request, uri)) return;
    if (this.#uris.delete(uri)) void this.#options.scope.unsubscribe(uri);
    request.answerWith('{}');
  }

  #checkSubscribing(request: ClientRequest, uri: string | undefined): uri is string {
    const resources = this.#options.serverCapabilities['resources'] as Record<string, unknown> | undefined;
    if (resources?.['subscribe'] !== true) {
      const sentence = `Server "${this.facts.server}" has no subscriptions.`;
      request.failed(new BridgeError('unknown_method', sentence));
    } else if (uri === undefined) request.invalid('"uri" must be a string.');
    else return true;
    return false;
  }
}
