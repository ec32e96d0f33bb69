/** A file that the server makes, written as it comes: never all of it at once. */
import * as FileSystem from "@effect/platform/FileSystem"
import { Duration, Effect, Option, Stream } from "effect"
import { Unreachable } from "./client/Failures.ts"
import type { Connection } from "./Connection.ts"
import { failed } from "./Failed.ts"
import { Screen } from "./Screen.ts"

/** The longest that a server may send nothing in the middle. */
const silence = Duration.seconds(45)

const notWritten = (path: string) => () => failed(`The file ${path} cannot be written.`)

/** A file appears whole or not at all: it is written beside its place first. */
export const exported = Effect.fnUntraced(
  function*({ http, url }: Connection, from: string, file: Option.Option<string>) {
    const lost = () => new Unreachable({ isRefused: false, message: `the connection to ${url} was lost.` })
    const response = yield* Effect.catchTag(http.get(from), "ResponseError", lost)
    const bytes = response.stream.pipe(Stream.mapError(lost), Stream.timeoutFail(lost, silence))
    if (Option.isNone(file)) {
      const screen = yield* Screen
      return yield* Stream.runForEach(Stream.decodeText(bytes), screen.out)
    }
    const files = yield* FileSystem.FileSystem
    const path = file.value
    const beside = `${path}.part`
    yield* Stream.run(bytes, files.sink(beside)).pipe(
      Effect.zipRight(files.rename(beside, path)),
      Effect.catchTags({ SystemError: notWritten(path), BadArgument: notWritten(path) }),
      Effect.onError(() => Effect.ignore(files.remove(beside, { force: true })))
    )
  }
)
