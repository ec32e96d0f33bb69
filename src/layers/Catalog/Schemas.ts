/** Schemas of agents that the server's program gives in code: they stand above those of the agents' files. */
import { Either, Schema } from "effect"
import type { AgentDefinition, Fault } from "../../domain/Definition.ts"
import type { JsonObject } from "../../domain/Json.ts"
import { OutputSchema } from "../../domain/OutputSchema.ts"
import { whole } from "./Disk.ts"

interface AgentSchemas {
  /** What the agent works on. */
  readonly input_schema?: JsonObject
  /** What it answers with. */
  readonly output_schema?: JsonObject
}

/** By the names of agents. */
export type Schemas = Readonly<Record<string, AgentSchemas>>

const decode = Schema.decodeUnknownEither(OutputSchema)

/** The agents with their schemas, and what is wrong with these. */
export const added = (
  agents: ReadonlyMap<string, AgentDefinition>,
  schemas: Schemas
): { readonly agents: ReadonlyMap<string, AgentDefinition>; readonly faults: ReadonlyArray<Fault> } => {
  const all = new Map(agents)
  const faults: Array<Fault> = []
  for (const [id, given] of Object.entries(schemas)) {
    const agent = agents.get(id)
    if (agent === undefined) {
      faults.push(
        whole(
          "agents",
          `The server's program has schemas for ${id}, and there is no such agent.`,
          "Add it, or take them out."
        )
      )
      continue
    }
    const { input_schema, output_schema } = given
    for (const [name, schema] of Object.entries({ input_schema, output_schema })) {
      if (schema !== undefined && Either.isLeft(decode(schema))) {
        faults.push(
          whole(
            `agents/${id}`,
            `The ${name} of the server's program is no JSON schema of an object that can be checked.`,
            "Make it smaller, and of the type object."
          )
        )
      }
    }
    all.set(id, {
      ...agent,
      front: {
        ...agent.front,
        ...input_schema !== undefined && { input_schema },
        ...output_schema !== undefined && { output_schema }
      }
    })
  }
  return { agents: all, faults }
}
