/** One call of any toolbox, within bounds: it ends in time, reports its failure, and its output is bounded. */
import { Cause, Duration, Effect, Exit } from "effect"
import { maxInPlace } from "../../domain/File.ts"
import type { ToolPart } from "../../services/Toolbox.ts"

/** Longest output of one call that is kept, in characters. */
export const maxOutput = 1024 * 1024

export type State = "success" | "error" | "denied"
export type Emit = (part: ToolPart) => void

export const givenUp = (seconds: number) =>
  `The tool did not end within ${seconds} seconds and was given up; its outcome is unknown.`

const broke = "The tool failed because of an internal error."

/** How many more characters the outputs of several calls may have together. */
export interface Budget {
  left: number
}

/** Most files in the output of one call, and most characters of base64 that they have together. */
export const maxFiles = 256
export const maxFileOutput = 28 * 1024 * 1024

/** Hands output on until it is too long, and never cuts inside a character. */
export const bounded = (emit: Emit, budget: Budget) => {
  const files = new Set<string>()
  let fileRoom = maxFileOutput
  let texts = 0
  let kept = 0
  let came = 0
  let closed = false
  const room = () => Math.max(0, Math.min(maxOutput - texts, budget.left))
  const keep = (size: number) => {
    kept += size
    budget.left -= size
  }
  const text = (delta: string) => {
    const part = delta.length <= room() ? delta : delta.slice(0, room()).replace(/[\uD800-\uDBFF]$/, "")
    keep(part.length)
    texts += part.length
    if (part !== "") emit({ type: "text", delta: part })
  }
  return {
    take: (part: ToolPart) => {
      if (closed) return
      if (part.type === "state" || part.type === "event") return emit(part)
      const size = part.type === "text" ? part.delta.length : part.data.length
      // A part of a file is useless; and output after a cut would not fit what is before it.
      const cut = came > kept
      came += size
      if (cut) return
      if (part.type === "text") return text(part.delta)
      // Files have a bound of their own: large ones are stored, and take no room in the reply.
      if (size > fileRoom || files.add(part.block).size > maxFiles) return
      fileRoom -= size
      if (size > maxInPlace) kept += size
      else keep(size)
      emit(part)
    },
    stop: () => {
      closed = true
    },
    /** Closes the output: adds what is missing, and then why the call ended, if that is not plain. */
    close: (why?: string) => {
      closed = true
      const notes = [came > kept ? `[cut: the first ${kept} of ${came} characters are shown]` : undefined, why].filter((
        note
      ) => note !== undefined)
      if (notes.length > 0) emit({ type: "text", delta: `${kept > 0 ? "\n" : ""}${notes.join("\n")}` })
    }
  }
}

type Bounded = ReturnType<typeof bounded>

/** Closes the output of a call that came to an end, and says how. */
export const conclude = (output: Bounded, exit: Exit.Exit<State>): Effect.Effect<State> => {
  if (Exit.isSuccess(exit)) {
    output.close()
    return Effect.succeed(exit.value)
  }
  output.close(broke)
  return Effect.as(
    Effect.unless(Effect.logError("A tool broke", exit.cause), () => Cause.isInterruptedOnly(exit.cause)),
    "error"
  )
}

/** A tool that does not stop when it is interrupted is abandoned. */
export const within = (
  seconds: number,
  call: (emit: Emit) => Effect.Effect<State>,
  emit: Emit,
  budget: Budget = { left: maxOutput }
): Effect.Effect<State> =>
  Effect.suspend(() => {
    const output = bounded(emit, budget)
    return Effect.suspend(() => call(output.take)).pipe(
      Effect.disconnect,
      Effect.timeoutOption(Duration.seconds(seconds)),
      Effect.exit,
      Effect.flatMap((exit): Effect.Effect<State> => {
        if (Exit.isFailure(exit)) return conclude(output, Exit.failCause(exit.cause))
        if (exit.value._tag === "Some") return conclude(output, Exit.succeed(exit.value.value))
        output.close(givenUp(seconds))
        return Effect.succeed("error")
      }),
      Effect.onInterrupt(() => Effect.sync(output.stop))
    )
  })
