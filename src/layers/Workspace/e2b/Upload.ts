/** Sends files to a sandbox as one form: as they come, or in one piece where they are short. */
import { Deferred, Effect, Fiber, Stream } from "effect"
import { randomUUID } from "node:crypto"
import { type FileError, full, noRoomFor } from "../../../domain/Workspace.ts"
import type { Client, E2bFailed, Sandbox } from "./Client.ts"

/** What is no longer than this goes in one piece, and once more where the sandbox slept. */
const maxInOne = 1024 * 1024

interface Sent<E> {
  readonly path: string
  readonly bytes: Stream.Stream<Uint8Array, E> | Effect.Effect<Uint8Array, E>
}

/** Does something with the sandbox, and tells what went wrong in words of workspaces. */
type At = <A>(
  path: string,
  work: (sandbox: Sandbox) => Effect.Effect<A, E2bFailed>
) => Effect.Effect<A, FileError>

const quoted = (text: string) => text.replaceAll(/["\\]/g, "\\$&")

const part = <E>(boundary: string, name: string, bytes: Stream.Stream<Uint8Array, E>) =>
  Stream.make(Buffer.from(
    `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="${quoted(name)}"\r\n`
      + "Content-Type: application/octet-stream\r\n\r\n"
  )).pipe(Stream.concat(bytes), Stream.concat(Stream.make(Buffer.from("\r\n"))))

/** Resolves to the bytes of the files, which are at most `room`. With a `path` the one file goes there, whatever its name. */
export const send = <E>(
  client: Client,
  at: At,
  path: string | undefined,
  files: ReadonlyArray<Sent<E>>,
  room: number
): Effect.Effect<number, FileError | E> =>
  Effect.scoped(Effect.gen(function*() {
    const boundary = `stoa-${randomUUID()}`
    let total = 0
    const counted = (bytes: Stream.Stream<Uint8Array, E>) =>
      Stream.mapEffect(bytes, (piece): Effect.Effect<Uint8Array, FileError> => {
        total += piece.length
        return total > room ? Effect.fail(full(noRoomFor(room))) : Effect.succeed(piece)
      })
    const form = Stream.concat(
      Stream.flatMap(
        Stream.fromIterable(files),
        ({ bytes, path }) => part(boundary, path, counted(Effect.isEffect(bytes) ? Stream.fromEffect(bytes) : bytes))
      ),
      Stream.make(Buffer.from(`--${boundary}--\r\n`))
    )

    const held: Array<Uint8Array> = []
    let size = 0
    const failed = yield* Deferred.make<never, FileError>()
    let sending: { writer: WritableStreamDefaultWriter<Uint8Array>; fiber: Fiber.Fiber<void, FileError> } | undefined
    const write = (bytes: Uint8Array) =>
      Effect.raceFirst(
        Effect.ignore(Effect.tryPromise(async () => sending?.writer.write(bytes))),
        Deferred.await(failed)
      )
    const open = Effect.gen(function*() {
      const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
      const work = at("", (sandbox) => client.upload(sandbox, path, boundary, readable))
      const fiber = yield* Effect.forkScoped(Effect.tapError(work, (error) => Deferred.fail(failed, error)))
      sending = { writer: writable.getWriter(), fiber }
    })
    yield* Stream.runForEach(form, (piece) =>
      Effect.gen(function*() {
        if (sending !== undefined) return yield* write(piece)
        held.push(piece)
        size += piece.length
        if (size <= maxInOne) return
        yield* open
        yield* write(Buffer.concat(held))
      }))
    if (sending === undefined) {
      const body = new Uint8Array(Buffer.concat(held))
      yield* at("", (sandbox) => client.patiently(client.upload(sandbox, path, boundary, body)))
      return total
    }
    const { fiber, writer } = sending
    yield* Effect.forkScoped(Effect.ignore(Effect.tryPromise(() => writer.close())))
    yield* Fiber.join(fiber)
    return total
  }))
