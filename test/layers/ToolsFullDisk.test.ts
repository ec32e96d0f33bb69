/** What tools print where the disk of the workspaces is full. */
import { assert, describe, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { AgentDraft } from "../../src/domain/Agent.ts"
import type { ToolCallId } from "../../src/domain/Ids.ts"
import { resultFile } from "../../src/domain/Workspace.ts"
import * as Host from "../../src/layers/Host.ts"
import * as ToolboxBuiltIn from "../../src/layers/Toolbox/BuiltIn.ts"
import { bash } from "../../src/layers/Toolbox/tools/Bash.ts"
import * as Bubblewrap from "../../src/layers/Workspace/Bubblewrap.ts"
import { Storage } from "../../src/services/Storage.ts"
import { Toolbox, type ToolPart } from "../../src/services/Toolbox.ts"
import { Workspace } from "../../src/services/Workspace.ts"
import { agentOf, freshId, freshOwner, sessionOf } from "../support/fixtures.ts"
import { patience } from "../support/Patience.ts"
import { mayMount, smallDisk } from "../support/smallDisk.ts"
import { isSandboxed, options, put, text } from "../support/workspaces.ts"

const workspace = Layer.unwrapScoped(Effect.map(smallDisk, (dir) => Bubblewrap.layer({ ...options, dir })))
const tools = ToolboxBuiltIn.layerWith([bash]).pipe(Layer.provideMerge(Layer.mergeAll(workspace, Host.memory)))

const printed = 1024 * 1024

describe.skipIf(!isSandboxed || !mayMount)("On a full disk", () => {
  layer(tools, { timeout: patience(60_000), excludeTestServices: true })("a command", (it) => {
    it.scoped("ends as it would, says that not all of its output is kept, and the next one keeps all when there is room", () =>
      Effect.gen(function*() {
        const storage = yield* Storage
        const toolbox = yield* Toolbox
        const agent = yield* storage.agents.insert(
          agentOf(freshOwner(), AgentDraft.make({ name: "ada", tools: "all" }))
        )
        const session = yield* storage.sessions.insert(sessionOf(agent))
        const workspace = yield* (yield* Workspace).open(session.user_id, {
          agent_id: agent.id,
          workspace_id: session.config.workspace_id
        })
        const print = Effect.gen(function*() {
          const parts: Array<ToolPart> = []
          const id = freshId() as ToolCallId
          const input = JSON.stringify({ command: `head -c ${printed} /dev/zero | tr '\\0' x; echo done >&2` })
          const state = yield* toolbox.call(
            { agent, session },
            { type: "tool_call", id, name: "Bash", input, state: "allowed", suggested_rules: [] },
            (part) => parts.push(part)
          )
          const said = parts.map((part) => part.type === "text" ? part.delta : "").join("")
          return { state, said, file: resultFile(session.id, id) }
        })
        yield* put(workspace, "fill", new Uint8Array(1_800_000))
        const full = yield* print
        assert.strictEqual(full.state, "success")
        assert.include(full.said, "x".repeat(1_000))
        assert.include(full.said, "The rest could not be kept: The server's disk is full")
        assert.isTrue(yield* Effect.isFailure(workspace.stat(full.file)))

        yield* workspace.remove("fill")
        const room = yield* print
        assert.strictEqual(room.state, "success")
        assert.include(room.said, `All of it is in ${workspace.root}/${room.file}`)
        assert.strictEqual((yield* workspace.stat(room.file)).size, printed + "done\n".length)
        assert.strictEqual(yield* text(workspace, "fill").pipe(Effect.isFailure), true)
      }))
  })
})
