/** Ids of tool calls for providers that take few characters: a session may bring ids of another provider along. */
import { createHash } from "node:crypto"

/** Ids that do not fit are replaced by a digest of theirs, always the same. */
export const fitting = (pattern: RegExp, length: number) => (id: string): string =>
  pattern.test(id) ? id : createHash("sha256").update(id).digest("hex").slice(0, length)

/** Letters, digits, dashes and underscores, up to 64. */
export const plain = fitting(/^[A-Za-z0-9_-]{1,64}$/, 32)
