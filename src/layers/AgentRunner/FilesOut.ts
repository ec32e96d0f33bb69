/** Files that models and tools make, on their way into storage: an event has the path of a large one and not its bytes. */
import { Effect, type Fiber, Runtime } from "effect"
import { type FileHash, fileUrl, madeTypeOf, maxInPlace } from "../../domain/File.ts"
import type { DataSource } from "../../domain/Message.ts"
import type { Session } from "../../domain/Session.ts"
import * as Base64 from "../../services/Base64.ts"
import { Files } from "../../services/Files.ts"

export interface Made {
  readonly media_type: string
  /** Base64. */
  readonly data: string
}

/** A file with the path of where it is stored, if it is. */
export interface Placed {
  readonly url?: string
}

/** The same file, with a type that is one. */
export const typed = <A extends Made>(made: A): A => ({ ...made, media_type: madeTypeOf(made.media_type) })

/** Whether it stays in its event. */
export const isSmall = ({ data }: Made): boolean => data.length <= maxInPlace

export const make = Effect.gen(function*() {
  const files = yield* Files
  const runtime = yield* Effect.runtime<never>()

  /** Where the file is now. What cannot be stored, or is not base64, stays in its event: nothing that was made is lost. */
  const store = Effect.fnUntraced(
    function*({ id, user_id }: Session, { data, media_type }: Made) {
      const inPlace: DataSource = { type: "base64", data, media_type }
      const bytes = Base64.decode(data)
      if (bytes === undefined) return inPlace
      const stored = yield* files.put(user_id, id, { media_type, name: null, bytes })
      return { type: "url", url: fileUrl(stored), media_type, hash: stored.hash } as const
    },
    (storing, _, { data, media_type }) =>
      Effect.catchAllCause(storing, (cause) =>
        Effect.as(
          Effect.logWarning("A file could not be stored and stays in its event", cause),
          { type: "base64", data, media_type } as const
        ))
  )

  /**
   * Lets events out in their order, although storing a file takes a while: what
   * comes behind a file waits for it. Without files nothing waits and nothing is made.
   */
  const outlet = (session: Session) => {
    const hashes: Array<FileHash> = []
    let line: Array<() => Effect.Effect<void> | void> = []
    let worker: { readonly fiber: Fiber.RuntimeFiber<void>; readonly promise: Promise<void> } | undefined

    const work = Effect.gen(function*() {
      for (let next = line.shift(); next !== undefined; next = line.shift()) {
        const effect = next()
        if (effect !== undefined) yield* effect
      }
      // There is no wait between the last look at the line and this.
      worker = undefined
    })

    return {
      write: (event: () => void): Promise<void> | undefined => {
        if (worker === undefined) return void event()
        line.push(event)
        return worker.promise
      },
      /** The promise asks the provider to wait until the files are stored; there is none when all of them are small. */
      writeFiles: <A extends Made>(
        made: ReadonlyArray<A>,
        event: (placed: ReadonlyArray<A & Placed>) => void
      ): Promise<void> | undefined => {
        if (worker === undefined && made.every(isSmall)) return void event(made)
        line.push(() =>
          Effect.map(
            Effect.forEach(made, (file) =>
              isSmall(file) ? Effect.succeed(file) : Effect.map(store(session, file), (source) => {
                if (source.type === "base64") {
                  return file
                }
                hashes.push(source.hash)
                return { ...file, url: source.url }
              })),
            event
          )
        )
        if (worker === undefined) {
          const fiber = Runtime.runFork(runtime)(work, { immediate: false })
          worker = {
            fiber,
            promise: new Promise((resolve) => fiber.addObserver(() => resolve()))
          }
        }
        return worker.promise
      },
      /** Waits until all that came has been let out, and answers with the files among it. */
      settled: Effect.suspend(() => {
        const waiting = worker?.promise
        return waiting === undefined ? Effect.succeed(hashes) : Effect.as(Effect.promise(() => waiting), hashes)
      }),
      /** Lets nothing out any more. */
      stop: Effect.suspend(() => {
        line = []
        const fiber = worker?.fiber
        return fiber === undefined ? Effect.void : Effect.asVoid(Effect.promise(() => {
          fiber.unsafeInterruptAsFork(fiber.id())
          return new Promise<void>((resolve) => fiber.addObserver(() => resolve()))
        }))
      })
    }
  }

  return { store, outlet, keep: files.keep }
})
