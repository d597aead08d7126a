/**
 * Where a message becomes large: above it the bytes stay bytes and are read and rewritten by a task thread, below
 * it a string on the event loop is quicker than the way to the thread and back.
 */
export const LARGE_MESSAGE_BYTES = 131072;

/** The longest line a server may print; one that has no end must not fill the memory. */
export const MAX_LINE_BYTES = 67_108_864;
