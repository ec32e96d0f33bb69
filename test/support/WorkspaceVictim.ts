/** A process that runs programs in a workspace and waits to be killed. */
import { Effect } from "effect"
import * as Bubblewrap from "../../src/layers/Workspace/Bubblewrap.ts"
import { fresh, options } from "./workspaces.ts"

const [, , dir] = process.argv

Effect.gen(function*() {
  const w = yield* fresh()
  yield* w.spawn({ argv: ["/bin/sh", "-c", "setsid sleep 98765 & sleep 98765"] })
  yield* Effect.sleep("500 millis")
  console.log("ready")
  return yield* Effect.never
}).pipe(Effect.scoped, Effect.provide(Bubblewrap.layer({ ...options, dir: dir! })), Effect.runPromise)
