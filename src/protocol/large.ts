/** Sizes of messages that change how they are handled; in bytes of UTF-8. */

/**
 * Above it a message is large: its bytes stay bytes and are read and rewritten by a task thread. Below it, a
 * string on the event loop is quicker than the way to the thread and back.
 */
export const LARGE_MESSAGE_BYTES = 131_072;

/** The longest message that is taken from a server; a line has no natural end. */
export const MAX_LINE_BYTES = 64 * 1024 * 1024;
