/**
 * What a running bridge knows: plain data, so that the primary can send it to its workers. Made only by `load`.
 */

type Isolation = 'session' | 'principal' | 'shared';

/** Glob lists over tool names; `deny` wins. Left out: everything. */
export interface ToolFilter {
  readonly allow?: readonly string[];
  readonly deny?: readonly string[];
}

export interface ChildLimits {
  readonly memoryMb?: number;
  readonly cpuSeconds?: number;
  readonly openFiles?: number;
}

interface ServerCommon {
  /** Its key in the file; `adhoc:…` for what /bridge starts beyond the file. */
  readonly name: string;
  readonly isolation: Isolation;
  /** Children of a shared server per bridge, at most; 0: one per worker. */
  readonly instances: number;
  /** Spare started children kept ready, per bridge. */
  readonly prewarm: number;
  /** Per upstream request. */
  readonly timeoutMs: number;
  /** Requests in flight per child; more wait. */
  readonly maxConcurrent: number;
  readonly tools: ToolFilter;
  readonly disabled: boolean;
  /**
   * Command and arguments, or the URL, as the file has them, `${NAME}` not filled in: the form that may be shown.
   * Left out for servers that are not of a file.
   */
  readonly written?: readonly string[];
}

export interface StdioServer extends ServerCommon {
  readonly kind: 'stdio';
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Absolute; the configuration file's folder when it says nothing. */
  readonly cwd: string;
  readonly user?: string;
  readonly group?: string;
  readonly limits: ChildLimits;
}

export interface RemoteServer extends ServerCommon {
  readonly kind: 'remote';
  readonly url: string;
  readonly transport: 'http' | 'sse' | 'ws';
  readonly headers: Readonly<Record<string, string>>;
  /**
   * Of a URL that a caller named: origins that may lead to addresses outside of the Internet. Left out for those of
   * the file, for whose addresses the operator answers.
   */
  readonly reach?: readonly string[];
}

export type ServerDefinition = StdioServer | RemoteServer;

/** What POST /bridge may start besides the configured servers. */
export interface BridgePolicy {
  /** Argument vectors, command first, one glob per element. `any`: everything (laboratories only). */
  readonly allow: 'any' | readonly (readonly string[])[];
  /** Globs over the names a call may set. */
  readonly env: readonly string[];
  /** Origins it may call. */
  readonly urls: readonly string[];
}

export interface NamedToken {
  readonly name: string;
  readonly token: string;
  /** Left out: all. */
  readonly servers?: readonly string[];
  readonly tools: ToolFilter;
  readonly bridge: boolean;
}

export interface JwtAuth {
  readonly issuer: string;
  readonly audience: string;
  readonly jwksUri: string;
}

export interface Settings {
  readonly nodeEnv: string;
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** Equal tokens of one principal, while rotating; never empty without `auth` (development generates one). */
  readonly accessTokens: readonly string[];
  /** Host names without port, lower case; undefined: any. */
  readonly allowedHosts?: readonly string[];
  /** Origins as sent (`https://app.example.com`). `loopbackOrigins` adds every loopback one. */
  readonly allowedOrigins: readonly string[];
  readonly loopbackOrigins: boolean;
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error';
  readonly logDir?: string;
  readonly workers: number;
  readonly sessionTtlMs: number;
  readonly clientCacheTtlMs: number;
  readonly requestTimeoutMs: number;
  readonly maxBodyBytes: number;
  readonly maxSessions: number;
  /** 0: no limit. */
  readonly maxSessionsPerPrincipal: number;
  readonly maxChildren: number;
  readonly drainTimeoutMs: number;
  /** Requests per window; 0: no limit. */
  readonly rateLimitMax: number;
  readonly rateLimitWindowMs: number;
  /** false: never; true: always; else the CIDRs of trusted proxies. */
  readonly trustProxy: boolean | readonly string[];
  /** 0: no limit. */
  readonly workerMaxMemoryMb: number;
  /** Empty: made at start. */
  readonly sessionSecret: string;
  readonly metricsToken?: string;
  readonly httpEngine: 'auto' | 'uws' | 'node';
  /** Absolute. Derived from user and port when not set, by `runtimeDir`. */
  readonly runtimeDir?: string;
  readonly ngrokAuthToken?: string;
  /** The file the servers came from; absolute; left out when they came from MCP_SERVERS or the command line. */
  readonly serversFile?: string;
  readonly servers: readonly ServerDefinition[];
  readonly bridge: BridgePolicy;
  readonly tokens: readonly NamedToken[];
  readonly jwt?: JwtAuth;
}
