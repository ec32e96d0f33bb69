import { assert, describe, it, layer } from "@effect/vitest"
import { Cause, DateTime, Effect, Exit, Fiber, Logger, Schema, TestClock } from "effect"
import { type Agent, AgentDraft } from "../../src/domain/Agent.ts"
import { AgentId, SessionId, Timestamp, ToolCallId, UserId, WorkspaceId } from "../../src/domain/Ids.ts"
import { permissionContext } from "../../src/domain/Permission.ts"
import { serverTools } from "../../src/domain/ServerTools.ts"
import type { Session } from "../../src/domain/Session.ts"
import * as Host from "../../src/layers/Host.ts"
import * as ToolboxBuiltIn from "../../src/layers/Toolbox/BuiltIn.ts"
import { type BuiltInTool, define, ToolFailed } from "../../src/layers/Toolbox/BuiltInTool.ts"
import { Toolbox, type ToolCaller, type ToolPart } from "../../src/services/Toolbox.ts"
import { patience } from "../support/Patience.ts"

const at = Timestamp.make("2026-01-31T09:30:00.000Z")
const owned = { user_id: UserId.make("ada"), created_at: at, updated_at: at }
const agent: Agent = {
  ...owned,
  id: AgentId.make("a"),
  data: { ...Schema.decodeSync(AgentDraft)({ name: "A" }), id: AgentId.make("a") }
}
const session: Session = {
  ...owned,
  id: SessionId.make("s"),
  agent_id: agent.id,
  source: "user",
  source_schedule_id: null,
  config: {
    workspace_id: WorkspaceId.make("w"),
    name: "S",
    chat_model_config: null,
    fallback_chat_model_config: null,
    tts_model_config: null,
    knowledge_config: null,
    cwd: null
  },
  state: {
    session_id: SessionId.make("s"),
    permission_context: permissionContext("default")
  }
}
const caller: ToolCaller = { session, agent }

const callOf = (name: string, input: unknown) => ({
  type: "tool_call" as const,
  id: ToolCallId.make("c"),
  name,
  input: typeof input === "string" ? input : JSON.stringify(input),
  state: "allowed" as const,
  suggested_rules: []
})

/** How a call ended and all that it said. */
const call = (name: string, input: unknown) =>
  Effect.gen(function*() {
    const toolbox = yield* Toolbox
    const parts: Array<ToolPart> = []
    const state = yield* toolbox.call(caller, callOf(name, input), (part) => parts.push(part))
    return { state, text: parts.map((part) => part.type === "text" ? part.delta : "<data>").join("") }
  })

const calculate = (expression: string) => call("Calculate", { expression })

const withTools = (...tools: ReadonlyArray<BuiltInTool>) => Effect.provideService(Toolbox, ToolboxBuiltIn.make(tools))

const tool = (run: () => Effect.Effect<string, ToolFailed>) =>
  define({ name: "T", description: "", effect: "none", idempotent: true, parameters: Schema.Struct({}), run })

it.layer(ToolboxBuiltIn.layer)("Toolbox BuiltIn", (it) => {
  it.effect("tells models of its tools in plain JSON schema", () =>
    Effect.gen(function*() {
      const tools = yield* Effect.flatMap(Toolbox, (toolbox) => toolbox.list(caller))
      assert.deepStrictEqual(tools.map(({ effect, idempotent, name }) => ({ name, effect, idempotent })), [
        { name: "CurrentTime", effect: "read", idempotent: true },
        { name: "Calculate", effect: "none", idempotent: true },
        { name: "Pause", effect: "write", idempotent: false }
      ])
      assert.deepStrictEqual(tools.slice(0, 2).map(({ parameters }) => parameters), [
        {
          type: "object",
          required: [],
          properties: {
            timezone: {
              type: "string",
              description: "An IANA time zone such as Europe/Berlin. UTC when left out.",
              minLength: 1,
              maxLength: 64
            }
          },
          additionalProperties: false
        },
        {
          type: "object",
          required: ["expression"],
          properties: {
            expression: {
              type: "string",
              description: "For example `sqrt(2) * (3 + 4)^2`.",
              minLength: 1,
              maxLength: 1000
            }
          },
          additionalProperties: false
        }
      ])
    }))

  it.effect("answers an unknown tool in the words that models know", () =>
    Effect.gen(function*() {
      for (const name of ["Nope", "", "currenttime", "__proto__", "constructor"]) {
        assert.deepStrictEqual(yield* call(name, {}), {
          state: "error",
          text: `ToolNotFoundError: The tool named '${name}' doesn't exist.`
        })
      }
    }))

  it.effect("answers wrong arguments with what is wrong", () =>
    Effect.gen(function*() {
      const wrong: ReadonlyArray<readonly [string, unknown, string]> = [
        ["CurrentTime", { timezone: 5 }, "expected a text at `timezone`"],
        ["CurrentTime", { zone: "UTC" }, "there is no `zone`"],
        ["CurrentTime", "{\"__proto__\": {\"timezone\": \"UTC\"}}", "there is no `__proto__`"],
        ["Calculate", {}, "`expression` is missing"],
        ["Calculate", "", "`expression` is missing"],
        ["CurrentTime", "{\"timezone\":", "the arguments are not valid JSON"],
        ["CurrentTime", "UTC", "the arguments are not valid JSON"]
      ]
      for (const [name, input, problem] of wrong) {
        assert.deepStrictEqual(yield* call(name, input), {
          state: "error",
          text: `Input validation failed for tool '${name}': ${problem}`
        })
      }
      for (
        const input of [
          [],
          "5",
          "\"UTC\"",
          { timezone: null },
          { timezone: "" },
          { timezone: "x".repeat(65) },
          "[".repeat(1e5)
        ]
      ) {
        const { state, text } = yield* call("CurrentTime", input)
        assert.strictEqual(state, "error")
        assert.match(text, /^Input validation failed for tool 'CurrentTime': ./)
        assert.isBelow(text.length, 3_000)
      }
      assert.include((yield* call("CurrentTime", " ".repeat(2e6))).text, "Input validation failed")
    }))

  it.effect("tells the time of the zone that was asked for, or of UTC", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(DateTime.unsafeMake("2026-07-04T22:15:30.000Z").epochMillis)
      const utc = { state: "success", text: "2026-07-04T22:15:30.000+00:00[UTC] (Saturday)" }
      assert.deepStrictEqual(yield* call("CurrentTime", {}), utc)
      assert.deepStrictEqual(yield* call("CurrentTime", ""), utc)
      assert.deepStrictEqual(yield* call("CurrentTime", { timezone: "Europe/Berlin" }), {
        state: "success",
        text: "2026-07-05T00:15:30.000+02:00[Europe/Berlin] (Sunday)"
      })
    }))

  it.effect("says that a time zone is unknown", () =>
    Effect.gen(function*() {
      for (const timezone of ["Mars/Olympus", "../etc", "UTC UTC"]) {
        assert.deepStrictEqual(yield* call("CurrentTime", { timezone }), {
          state: "error",
          text: `Unknown time zone '${timezone}': expected an IANA name such as Europe/Berlin.`
        })
      }
    }))

  it.effect("calculates", () =>
    Effect.gen(function*() {
      const right: Record<string, string> = {
        "2 + 3 * 4": "14",
        "(2 + 3) * 4": "20",
        "-2^2": "-4",
        "2^3^2": "512",
        "0.1 + 0.2": "0.3",
        "1/3": "0.333333333333333",
        "10 mod 3": "1",
        "-7 % 3": "2",
        "7 % 4 % 2": "1",
        "2 * 8 mod 3": "1",
        "mod(7, 3)": "1",
        "2^-2^2": "0.0625",
        "--2 - -2": "4",
        "3!^2 - 2^3!": "-28",
        "3!!": "720",
        "5!": "120",
        "200 + 5%": "210",
        "200 - 5%": "190",
        "200 * 5%": "10",
        "50% * 2": "1",
        "20 / 10%": "200",
        "2% * 50 % 3": "1",
        "7.25 mod 50%": "0.25",
        "7 + 2(3) 50%": "10",
        "100 + 2 * 10%": "100.2",
        "100 + (10%)": "100.1",
        "2 pi": "6.28318530717959",
        "-2 pi^2 + 2(3)(4)": "4.26079119782128",
        "2max(1, 2) sqrt(4)": "8",
        "sqrt(16) + cbrt(27)": "7",
        "log(8, 2)": "3",
        "LN(e)": "1",
        "max(1, 5, 3) - min(2, 4)": "3",
        "mean(1, 2, 3, 4)": "2.5",
        "round(2.345, 2)": "2.35",
        "round(-2.5)": "-3",
        "1e3": "1000",
        ".5 + 5.": "5.5",
        "2e": "5.43656365691809",
        "0xFF + 0b11 + 0o17": "273",
        "\t1 +\n 2 ": "3",
        "2^53 - 1": "9007199254740991",
        "2^64": "1.84467440737096e+19",
        "10^-7": "1e-7"
      }
      for (const [expression, text] of Object.entries(right)) {
        assert.deepStrictEqual(yield* calculate(expression), { state: "success", text }, expression)
      }
    }))

  it.effect("refuses everything that is not arithmetic", () =>
    Effect.gen(function*() {
      const wrong = [
        "cos.constructor(\"return process\")()",
        "constructor(1)",
        "__proto__",
        "toString(1)",
        "f(x) = x",
        "a = 1",
        "[1, 2]",
        "1:1000000000",
        "{a: 1}",
        "\"a\"",
        "\"a\" * 2",
        "true",
        "null",
        "undefined",
        "1; 2",
        "1 < 2",
        "ones(100000)",
        "import(1)",
        "evaluate(\"1\")",
        "parse(\"1\")",
        "createUnit(\"x\")",
        "range(1, 1e9)",
        "random()",
        "5 cm to m",
        "sqrt",
        "sqrt()",
        "sqrt(1, 2)",
        "x'",
        "(",
        "1 +",
        "#"
      ]
      for (const expression of wrong) {
        const { state, text } = yield* calculate(expression)
        assert.strictEqual(state, "error", expression)
        assert.match(text, /^The expression cannot be calculated: /, expression)
      }
    }))

  it.effect("says what is wrong with an expression, and how to write what can be read in two ways", () =>
    Effect.gen(function*() {
      const wrong: Record<string, string> = {
        "1 +": "it ends where a number, a name or '(' is expected",
        "2 * / 3": "'/' stands where a number, a name or '(' is expected",
        "1,000": "',' stands where an operator is expected",
        "1 2": "'2' stands where an operator is expected",
        "(1": "it ends where an operator or ')' is expected",
        "sqrt 4": "'sqrt' is a function: write 'sqrt(...)'",
        "pi(2)": "'pi' is no function",
        "2 x": "'x' is not known",
        "sqrt(1, 2)": "'sqrt' takes another number of values than 2",
        "5% + 1": "'%' before a sign can be read in two ways: write 'mod', or '(5%)' for a percentage",
        "1 / 2 pi": "what is divided by can be read in two ways: write '*' or parentheses",
        [`${"(".repeat(101)}1${")".repeat(101)}`]: "it is nested more than 100 deep"
      }
      for (const [expression, problem] of Object.entries(wrong)) {
        assert.deepStrictEqual(yield* calculate(expression), {
          state: "error",
          text: `The expression cannot be calculated: ${problem}.`
        }, expression)
      }
    }))

  it.effect("says so when there is no finite real result", () =>
    Effect.gen(function*() {
      for (
        const expression of [
          "1 / 0",
          "sqrt(-1)",
          "(-8)^(1/3)",
          "171!",
          "(1e9)!",
          "(-1)!",
          "1e400",
          "9^9^9^9",
          "round(1, 99)"
        ]
      ) {
        assert.deepStrictEqual(yield* calculate(expression), {
          state: "error",
          text: "The result is not a finite real number."
        }, expression)
      }
    }))

  it.effect("answers the worst thousand characters at once", () =>
    Effect.gen(function*() {
      const nested = (before: string, middle: string, after: string) => {
        const times = Math.floor((1_000 - middle.length) / (before.length + after.length))
        return [times, 80].map((times) => before.repeat(times) + middle + after.repeat(times))
      }
      const worst = [
        ...nested("(", "1", ")"),
        ...nested("(", "1", " + 1%)"),
        ...nested("sqrt(", "1", ")"),
        ...nested("2(", "1", ")"),
        ...nested("-", "1", ""),
        ...nested("", "1", "!"),
        ...nested("", "9", "^9"),
        ...nested("[", "", "]"),
        ...nested("1?", "1", ":1"),
        ...nested("", "1", "/2 a"),
        "(".repeat(1_000),
        `sum(${"1,".repeat(497)}1)`
      ]
      const started = performance.now()
      for (const expression of worst) yield* calculate(expression)
      assert.isBelow(performance.now() - started, patience(5_000))
      assert.include(
        (yield* calculate("1".repeat(1_001))).text,
        "Input validation failed for tool 'Calculate': expected a text of at least 1 and at most 1000 characters at `expression`"
      )
    }))
})

describe("A built-in tool", () => {
  it.effect("that fails ends as an error with its message", () =>
    Effect.gen(function*() {
      const failing = withTools(tool(() => Effect.fail(new ToolFailed({ message: "No luck." }))))
      assert.deepStrictEqual(yield* failing(call("T", {})), { state: "error", text: "No luck." })
    }))

  it.effect("that has a bug ends as an error that shows nothing of it, and the log has its cause", () =>
    Effect.gen(function*() {
      const causes: Array<string> = []
      const logger = Logger.make(({ cause }) => {
        causes.push(Cause.pretty(cause))
      })
      const throws = (error: unknown) => () => {
        throw error
      }
      const bugs = [throws(new Error("sk-one")), throws("sk-two"), () => Effect.die(new TypeError("sk-three"))]
      for (const bug of bugs) {
        const said = yield* withTools(tool(bug))(call("T", {})).pipe(
          Effect.provide(Logger.replace(Logger.defaultLogger, logger))
        )
        assert.deepStrictEqual(said, { state: "error", text: "The tool failed because of an internal error." })
      }
      assert.deepStrictEqual(causes.map((cause) => /sk-\w+/.exec(cause)?.[0]), ["sk-one", "sk-two", "sk-three"])
    }))

  it.effect("can be interrupted", () =>
    Effect.gen(function*() {
      const hanging = withTools(tool(() => Effect.never))(call("T", {}))
      const fiber = yield* Effect.fork(hanging)
      yield* Effect.yieldNow()
      assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(fiber)))
    }))
})

layer(Host.layerMemory, { excludeTestServices: true })("The server's own tools", (it) => {
  it.effect("are those that definitions are held against", () =>
    Effect.gen(function*() {
      const { all, knows } = yield* Toolbox
      const names = all.map(({ name }) => name)
      assert.includeMembers([...serverTools], names)
      // One that only workspaces with skills bring is not among all.
      assert.deepStrictEqual(serverTools.filter((name) => !names.includes(name)), ["Skill"])
      assert.isTrue(serverTools.every(knows))
    }))
})
