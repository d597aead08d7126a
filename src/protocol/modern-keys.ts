/**
 * Names that MCP 2026-07-28 reserves in `_meta`. Schema: RequestMetaObject, ResultMetaObject, NotificationMetaObject.
 */
const PREFIX = 'io.modelcontextprotocol/';

/** The version that a request is written in; its presence makes a request modern. */
export const VERSION_KEY = `${PREFIX}protocolVersion`;
export const CAPABILITIES_KEY = `${PREFIX}clientCapabilities`;
export const CLIENT_INFO_KEY = `${PREFIX}clientInfo`;
export const LOG_LEVEL_KEY = `${PREFIX}logLevel`;
export const SERVER_INFO_KEY = `${PREFIX}serverInfo`;
/** An extension, in `capabilities.extensions`. */
export const TASKS_KEY = `${PREFIX}tasks`;
export const SUBSCRIPTION_KEY = `${PREFIX}subscriptionId`;
