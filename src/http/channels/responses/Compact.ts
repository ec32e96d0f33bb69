/** Has the model make a summary of an exchange, which a client sends in its place from then on. Nothing is kept of it. */
import { Clock, Effect } from "effect"
import type { UserId } from "../../../domain/Ids.ts"
import { NewId } from "../../../services/NewId.ts"
import { SessionHub } from "../../../services/SessionHub.ts"
import { SessionKeys } from "../../../services/SessionKeys.ts"
import type { Options } from "../Channel.ts"
import type { Create } from "./Create.ts"
import type { Watch } from "./output/Watch.ts"
import * as History from "./place/History.ts"
import { nothingSaid } from "./Refusals.ts"
import * as Asked from "./request/Asked.ts"
import type { CompactRequest } from "./request/Requests.ts"
import { sealSummary } from "./request/Said.ts"

export const make = (options: Options, watch: Watch, { following, places, read, targetOf }: Create) =>
  Effect.gen(function*() {
    const hub = yield* SessionHub
    const keys = yield* SessionKeys
    const newId = yield* NewId
    const history = yield* History.make

    return Effect.fnUntraced(function*(owner: UserId, request: CompactRequest) {
      const asked = yield* Asked.read({ ...request, store: false }, undefined)
      const { agent, config } = yield* targetOf(owner, asked)
      const said = yield* read(owner, asked)
      const held = asked.previous === undefined ? [] : yield* following.heldBy(owner, asked.previous)
      if (held.length + said.turns.length === 0) return yield* nothingSaid
      const millis = yield* Clock.currentTimeMillis
      const created_at = Math.floor(millis / 1000)
      const id = `resp_${newId.record(millis)}`
      const session = yield* keys.once(
        options.name,
        yield* places.draft({ owner, agent, config, asked, said, id })
      )
      const turns = yield* history.said(session, said.turns)
      const told = [
        ...yield* history.moved(session, held),
        ...turns.history,
        ...yield* history.kept(
          turns.input.map(({ content }) => ({ role: "user" as const, at: "input", content }))
        )
      ]
      const instructions = [asked.instructions, ...said.instructions].filter((text) => text !== "").join("\n\n")
      const content = agent.data.context_config.compression_prompt
      const head = {
        id,
        created_at,
        model: request.model,
        echo: {},
        home: session.id,
        client_tools: [],
        is_structured: false,
        tells_encrypted: false
      }
      const rendering = yield* Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(
          hub.send(
            owner,
            {
              agent_id: agent.id,
              session_id: session.id,
              on_busy: "enqueue",
              input: { role: "user", name: "user", metadata: {}, content },
              tools: [],
              tool_choice: "none"
            },
            undefined,
            { source: "channel", source_id: options.name, instructions, history: told }
          ),
          // Whoever leaves stops it.
          ({ run_id, seq }) =>
            restore(watch.wait({ session, run_id, after: seq, head, isKept: false })).pipe(
              Effect.onInterrupt(() => Effect.ignore(hub.cancel(session, run_id)))
            )
        )
      )
      if (rendering.problem !== undefined) return yield* rendering.problem
      const { output, usage } = rendering.response()
      const summary = output.flatMap((item) => item.type === "message" ? [textOf(item["content"])] : []).join("\n\n")
      return {
        id,
        object: "response.compaction" as const,
        created_at,
        output: [{ id: `cmp_${newId.record(millis)}`, type: "compaction", encrypted_content: sealSummary(summary) }],
        usage
      }
    })
  })

const textOf = (content: unknown): string =>
  Array.isArray(content) ? content.map((part: { readonly text?: string }) => part.text ?? "").join("") : ""
