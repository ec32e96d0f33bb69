/**
 * A program that does not stop when it is asked to, as its first word says:
 * `call` is a server whose model calls ignore their interruption, `spin` is one
 * whose thread does nothing else any more, `finalizer` never closes its scope.
 */
import { Effect, Schema } from "effect"
import { main } from "../../src/cli/Program.ts"
import * as LastResort from "../../src/cli/serve/LastResort.ts"
import * as Fields from "../../src/layers/Models/families/Fields.ts"
import * as Provider from "../../src/layers/Models/Provider.ts"

const [how, ...words] = process.argv.slice(2)

const provider = Provider.make({
  type: "hanging_credential",
  title: "Hanging",
  fields: Schema.Struct({ api_key: Fields.key() }),
  parameters: Schema.Struct({}),
  cards: [],
  accepts: () => true,
  stream: () => Effect.uninterruptible(Effect.never),
  check: () => Effect.succeed({ models: ["any"] })
})

const finalizer = Effect.scoped(Effect.gen(function*() {
  const stage = yield* LastResort.arm(0)
  yield* Effect.addFinalizer(() => stage("waiting for nothing", Effect.never))
  process.stdout.write("listens on http://127.0.0.1:0\n")
  return yield* Effect.never
}))

if (how === "finalizer") {
  // Something that Node waits for, as a server is.
  setInterval(() => {}, 1_000)
  const fiber = Effect.runFork(finalizer)
  process.once("SIGTERM", () => fiber.unsafeInterruptAsFork(fiber.id()))
} else {
  if (how === "spin") {
    process.once("SIGTERM", () =>
      setTimeout(() => {
        for (;;);
      }, 200))
  }
  main(words, { providers: [provider] })
}
