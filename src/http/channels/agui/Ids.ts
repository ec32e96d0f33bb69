/**
 * What clients know the parts of a conversation by. The stream and the snapshot make the same ids of the same log, so that
 * a client which is told something again finds that it has it.
 */

/** A text and a thought are messages of their own, by their blocks, which are unique in a session. */
export const textId = (block: string): string => block

/** Providers count calls anew in every reply; clients put all of a thread side by side. */
export const callId = (reply: string, call: string): string => `${reply}.${call}`

/** The message that carries calls which nothing was said before. */
export const callerId = (reply: string, call: string): string => `${callId(reply, call)}.calls`

/** The result of a call is a message of its own. */
export const resultId = (reply: string, call: string): string => `${callId(reply, call)}.result`
