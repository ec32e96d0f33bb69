/** Output that may be too long for a model: its beginning goes to the model as it comes, and all of it into a file. */
import { Effect, Fiber, Mailbox, type Scope } from "effect"
import type { FileError } from "../../../domain/Workspace.ts"
import type { OpenWorkspace } from "../../../services/Workspace.ts"
import type { ToolIo } from "../BuiltInTool.ts"

/** Most characters that a model is shown of one output. */
const maxShown = 30_000

/** Most bytes of an output that are kept in its file. */
const maxKept = 16 * 1024 * 1024

/** Pieces that wait to be written; then the program waits. */
const maxWaiting = 16

export interface Spill {
  readonly take: (bytes: Uint8Array) => Effect.Effect<void>
  /** The note that goes below what was shown; undefined when all was. */
  readonly end: Effect.Effect<string | undefined>
}

export const make = (
  workspace: OpenWorkspace,
  path: string,
  { emit }: ToolIo
): Effect.Effect<Spill, never, Scope.Scope> =>
  Effect.gen(function*() {
    const scope = yield* Effect.scope
    const decoder = new TextDecoder()
    /** All that came until it was too much. */
    let first: Array<Uint8Array> = []
    let bytes = 0
    let shown = 0
    let writing: {
      readonly mailbox: Mailbox.Mailbox<Uint8Array>
      readonly fiber: Fiber.RuntimeFiber<number, FileError>
    } | undefined

    /** The database keeps no zero character, and half a pair is none. */
    const show = (text: string) => {
      const delta = text.slice(0, maxShown - shown).replace(/[\uD800-\uDBFF]$/, "").replaceAll("\0", "\ufffd")
      shown += delta.length
      if (delta !== "") emit({ type: "text", delta })
      return delta.length < text.length
    }

    const keep = Effect.fnUntraced(function*(piece: Uint8Array) {
      if (writing === undefined) {
        const mailbox = yield* Mailbox.make<Uint8Array>(maxWaiting)
        writing = { mailbox, fiber: yield* Effect.forkIn(workspace.write(path, Mailbox.toStream(mailbox)), scope) }
        const { fiber } = writing
        // Nobody reads any more when the file cannot be written.
        yield* Effect.forkIn(Effect.zipRight(Fiber.await(fiber), mailbox.shutdown), scope)
        for (const before of first) yield* mailbox.offer(before)
        first = []
      }
      yield* writing.mailbox.offer(piece)
    })

    return {
      take: Effect.fnUntraced(function*(piece) {
        bytes += piece.length
        const cut = show(decoder.decode(piece, { stream: true }))
        if (bytes > maxKept) return
        if (writing === undefined && !cut) first.push(piece)
        else yield* keep(piece)
      }),
      end: Effect.gen(function*() {
        show(decoder.decode())
        if (writing === undefined) return undefined
        yield* writing.mailbox.end
        const written = yield* Effect.either(Fiber.join(writing.fiber))
        const what = `[The first ${shown} characters of ${bytes} bytes are shown. `
        if (written._tag === "Left") return `${what}The rest could not be kept: ${written.left.detail}]`
        return `${what}${
          bytes > maxKept ? `The first ${maxKept} bytes are` : "All of it is"
        } in ${workspace.root}/${path}: read it with Read or Grep.]`
      })
    }
  })
