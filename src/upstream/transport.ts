/**
 * One connection to one MCP server, whatever carries it. A transport moves whole JSON-RPC messages and knows
 * nothing of ids, sessions or eras; connection.ts does.
 */
import type { BridgeError } from '../errors.ts';
import type { Chunk } from '../http/engine.ts';
import type { Message } from '../protocol/message.ts';

export interface TransportListener {
  /** One valid message from the server, in the order of arrival. */
  message(message: Message): void;
  /** Once, and nothing after it: the server is gone, could not be reached, or `close` is done. */
  closed(reason: BridgeError): void;
}

export interface Transport {
  /** Sends one JSON-RPC message. Messages go out in the order of the calls; those of one tick may be joined. No-op when closed. */
  send(message: Chunk | readonly Chunk[]): void;
  /** Bytes given to `send` that the server has not taken yet. */
  readonly backlog: number;
  /** Process id of a child; undefined for a remote server. */
  readonly pid: number | undefined;
  /** Ends the connection, gently first (a child: stdin's end, SIGTERM, SIGKILL, to its whole process group). Resolves when it is gone; never rejects. */
  close(): Promise<void>;
}
