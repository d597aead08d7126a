/** How many requests of a server a client may have left to answer, which are remembered as long; more are refused. */
export const MAX_QUESTIONS = 1_000;

export const TOO_MANY_QUESTIONS = `The client has ${MAX_QUESTIONS} requests left to answer; no more are sent to it.`;
