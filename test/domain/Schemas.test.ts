/** Everything the wire carries survives it. */
import { assert, describe, it } from "@effect/vitest"
import { FastCheck, Schema } from "effect"
import { readdirSync } from "node:fs"
import { AgentEvent } from "../../src/domain/Event.ts"
import { arbitrary } from "./arbitraries.ts"

/** Not on the wire: what they hold comes from flags, the environment and a file. */
const local = new Set(["Hook.ts", "Receivers.ts", "Settings.ts"])

const files = readdirSync(new URL("../../src/domain/", import.meta.url)).filter((file) =>
  file.endsWith(".ts") && !local.has(file)
)

type AnySchema = Schema.Schema<unknown, unknown>

const exported: ReadonlyArray<readonly [string, AnySchema]> = (await Promise.all(
  files.map(async (file) => {
    const module: Record<string, unknown> = await import(`../../src/domain/${file.replace(".ts", "")}.ts`)
    return Object.entries(module).filter((entry): entry is [string, AnySchema] => Schema.isSchema(entry[1]))
      .map(([name, schema]) => [`${file.replace(".ts", "")}.${name}`, schema] as const)
  })
)).flat()

const viaJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

describe("Every wire schema", () => {
  it("is found here", () => {
    const names = exported.map(([name]) => name)
    for (const name of ["Agent.Agent", "Run.Run", "Errors.NotFound", "Event.AgentEvent", "Session.SessionPatch"]) {
      assert.include(names, name)
    }
    assert.isAbove(names.length, 100)
  })

  for (const [name, schema] of exported) {
    it(`brings back what was sent: ${name}`, () => {
      const encode = Schema.encodeSync(schema)
      const decode = Schema.decodeUnknownSync(schema)
      FastCheck.assert(
        FastCheck.property(arbitrary(schema), (value) => {
          const wire = viaJson(encode(value))
          const back = decode(wire)
          // Errors compare by identity.
          if (!(value instanceof Error)) assert.deepStrictEqual(back, value)
          assert.deepStrictEqual(viaJson(encode(back)), wire)
        }),
        { numRuns: 30 }
      )
    })
  }
})

it.prop("An event is plain JSON: its encoded form is itself", [arbitrary(AgentEvent)], ([event]) => {
  assert.deepStrictEqual<unknown>(Schema.encodeSync(AgentEvent)(event), event)
  assert.deepStrictEqual<unknown>(viaJson(event), event)
}, { fastCheck: { numRuns: 300 } })
