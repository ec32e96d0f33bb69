/** What an agent does with its own schedules. */
import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import type { ToolCallId } from "../../src/domain/Ids.ts"
import type { PermissionMode } from "../../src/domain/Permission.ts"
import * as Host from "../../src/layers/Host.ts"
import { Scheduler } from "../../src/services/Scheduler.ts"
import { Storage } from "../../src/services/Storage.ts"
import { Toolbox, type ToolCaller } from "../../src/services/Toolbox.ts"
import { agentOf, freshId } from "../support/fixtures.ts"
import { conversation } from "../support/hub.ts"

/** An agent with all tools, in a session that talks to the demo model. */
const someone = (mode: PermissionMode = "default") =>
  Effect.gen(function*() {
    const { agents } = yield* Storage
    const session = yield* conversation("demo-script", { mode })
    const agent = yield* agents.modify(
      session.user_id,
      session.agent_id,
      (agent) => ({ ...agent, data: { ...agent.data, tools: "all" } })
    )
    return { session, agent } satisfies ToolCaller
  })

const says = (caller: ToolCaller, name: string, input: unknown) =>
  Effect.gen(function*() {
    const toolbox = yield* Toolbox
    let text = ""
    const state = yield* toolbox.call(caller, {
      type: "tool_call",
      id: freshId() as ToolCallId,
      name,
      input: JSON.stringify(input),
      state: "allowed",
      suggested_rules: []
    }, (part) => {
      if (part.type === "text") text += part.delta
    })
    return `${state}: ${text}`
  })

const morning = { name: "Morning", description: "Say good morning", cron_expression: "0 9 * * *" }

const listed = ({ session }: ToolCaller) =>
  Effect.map(
    Effect.flatMap(Scheduler, (scheduler) => scheduler.list(session.user_id, { limit: 200, cursor: undefined })),
    ({ items }) => items
  )

const idIn = (text: string) => /[0-9a-z-]{20,}/i.exec(text)?.[0] ?? text

layer(Host.layerMemory, { excludeTestServices: true })("An agent's own schedules", (it) => {
  describe("ScheduleCreate", () => {
    it.effect("makes one for the agent itself, with the session's model, told as made by an agent", () =>
      Effect.gen(function*() {
        const ada = yield* someone()
        assert.match(yield* says(ada, "ScheduleCreate", morning), /^success: The schedule is made: .* next /)
        const [view] = yield* listed(ada)
        assert.deepInclude(view, { agent_id: ada.agent.id, status: "active" })
        assert.deepInclude(view!.data, {
          chat_model_config: ada.session.config.chat_model_config!,
          source: "AGENT",
          source_session_id: ada.session.id,
          permission_mode: "default"
        })
      }))

    for (
      const [mode, expected] of [["bypass", "dont_ask"], ["accept_edits", "accept_edits"], [
        "explore",
        "explore"
      ]] as const
    ) {
      it.effect(`of a session in the mode ${mode} works in ${expected}`, () =>
        Effect.gen(function*() {
          const ada = yield* someone(mode)
          yield* says(ada, "ScheduleCreate", morning)
          assert.strictEqual((yield* listed(ada))[0]?.data.permission_mode, expected)
        }))
    }

    it.effect("names what is wrong, and makes nothing then", () =>
      Effect.gen(function*() {
        const ada = yield* someone()
        for (
          const [input, expected] of [
            [{ ...morning, cron_expression: "every day" }, "cron_expression"],
            [{ ...morning, timezone: "Mars/Base" }, "timezone"],
            [{ ...morning, ended_at: "yesterday" }, "ended_at"],
            [{ ...morning, interval_seconds: 60 }, "interval_seconds"],
            [{ name: "x", description: "y", interval_seconds: 0.5 }, "interval_seconds"],
            [{ name: "x", description: "y" }, "cron_expression"],
            [{ ...morning, permission_mode: "bypass" }, "permission_mode"]
          ] as const
        ) {
          const said = yield* says(ada, "ScheduleCreate", input)
          assert.match(said, /^error: /)
          assert.include(said, expected)
        }
        const { session: { config }, session } = ada
        const modelless = { ...ada, session: { ...session, config: { ...config, chat_model_config: null } } }
        assert.include(yield* says(modelless, "ScheduleCreate", morning), "has no model")
        assert.deepStrictEqual(yield* listed(ada), [])
      }))

    it.effect("makes no more than 20, until some are stopped", () =>
      Effect.gen(function*() {
        const ada = yield* someone()
        for (let made = 0; made < 20; made++) yield* says(ada, "ScheduleCreate", morning)
        assert.match(yield* says(ada, "ScheduleCreate", morning), /^error: You have 20 schedules/)
        const [first] = yield* listed(ada)
        yield* says(ada, "ScheduleStop", { schedule_id: first!.id })
        assert.match(yield* says(ada, "ScheduleCreate", morning), /^success/)
      }))

    it.effect("makes no more than 20 either when many are asked for at once", () =>
      Effect.gen(function*() {
        const ada = yield* someone()
        const said = yield* Effect.forEach(Array.from({ length: 28 }), () => says(ada, "ScheduleCreate", morning), {
          concurrency: 8
        })
        assert.strictEqual(said.filter((text) => text.startsWith("success")).length, 20)
        assert.strictEqual((yield* listed(ada)).length, 20)
      }))
  })

  it.effect("are listed, shown and stopped", () =>
    Effect.gen(function*() {
      const ada = yield* someone()
      assert.strictEqual(yield* says(ada, "ScheduleList", {}), "success: There are no schedules.")
      const schedule_id = idIn(yield* says(ada, "ScheduleCreate", { ...morning, timezone: "Europe/Berlin" }))
      assert.include(yield* says(ada, "ScheduleList", {}), `${schedule_id} [active] Morning: 0 9 * * * (Europe/Berlin)`)
      const shown = yield* says(ada, "ScheduleView", { schedule_id })
      assert.include(shown, "Say good morning")
      assert.match(shown, /Next: \S+T09:00/)
      assert.include(yield* says(ada, "ScheduleStop", { schedule_id }), `${schedule_id} [paused]`)
      assert.strictEqual((yield* listed(ada))[0]?.data.enabled, false)
    }))

  it.effect("are those of this agent: others are not there, whoever they belong to", () =>
    Effect.gen(function*() {
      const ada = yield* someone()
      const eve = yield* someone()
      const schedule_id = idIn(yield* says(ada, "ScheduleCreate", morning))
      const { agents } = yield* Storage
      const other = agentOf(ada.session.user_id, { ...ada.agent.data, name: "Other" })
      yield* agents.insert(other)
      for (const caller of [eve, { ...ada, agent: other }]) {
        assert.strictEqual(yield* says(caller, "ScheduleList", {}), "success: There are no schedules.")
        for (const name of ["ScheduleView", "ScheduleStop"]) {
          assert.include(
            yield* says(caller, name, { schedule_id }),
            `error: There is no schedule '${schedule_id}' of yours`
          )
        }
      }
      assert.strictEqual((yield* listed(ada))[0]?.status, "active")
    }))
})
