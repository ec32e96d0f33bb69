/** Whether a request speaks what is spoken here. Without a word it is version 0.3, which is another protocol. */
import { Effect } from "effect"
import { Invalid } from "../../../domain/Errors.ts"

export const protocolVersion = "1.0"

const isSpoken = (version: string) => /^1\.0(?:\.\d{1,4})?$/.test(version.trim())

/** Longest version that an answer repeats. */
const maxTold = 16

export const check = (
  inHeader: string | undefined,
  inQuery: string | undefined
): Effect.Effect<void, Invalid> => {
  const version = inHeader !== undefined && inHeader !== "" ? inHeader : inQuery ?? ""
  return isSpoken(version) ? Effect.void : Effect.fail(
    new Invalid({
      code: "version_not_supported",
      detail: version === ""
        ? `Say the version by the header A2A-Version: ${protocolVersion}. Without it a request is of version 0.3, which is not spoken here.`
        : `A2A ${version.slice(0, maxTold).toWellFormed()} is not spoken here. Send A2A-Version: ${protocolVersion}.`
    })
  )
}
