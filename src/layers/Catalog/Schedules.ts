/** Schedules that agents' definitions say: for whom they run, and what is wrong with them. */
import { Either } from "effect"
import { type AgentDefinition, type AgentFrontMatter, type Fault, modelOf, runsFor } from "../../domain/Definition.ts"
import * as Slots from "../Slots.ts"
import { whole } from "./Disk.ts"
import { fault, type Read } from "./FrontMatter.ts"

/** Most schedules of all definitions together, each counted for each of its users. */
const maxSchedules = 10_000

/** Characters of a value that are told. */
const maxShown = 100

/** Any time will do: an expression has no year. */
const anyTime = 0

type PlaceOf = Read<AgentFrontMatter>["placeOf"]

/** Its times, its users, and a name that another one has. */
const ofEntry = (
  file: string,
  { schedules, users }: AgentFrontMatter,
  placeOf: PlaceOf,
  minSeconds: number
): ReadonlyArray<Fault> =>
  schedules.flatMap((entry, i) => {
    const at = (field: string) => placeOf(["schedules", i, field])
    const faults: Array<Fault> = []
    const { cron, timezone } = entry
    const times = Slots.read({ cron_expression: cron, timezone: timezone ?? "UTC" }, anyTime, minSeconds)
    if (Either.isLeft(times)) {
      const { message, path } = times.left
      const field = path === "timezone" ? "timezone" : "cron"
      faults.push(
        fault(file, at(field), `The ${field} of the schedule ${entry.name} is wrong: ${message}`, "Correct it.")
      )
    }
    const foreign = entry.users.find((user) => users !== "all" && !users.includes(user))
    if (foreign !== undefined) {
      faults.push(fault(
        file,
        at("users"),
        `The schedule ${entry.name} runs for ${foreign.slice(0, maxShown)}, who does not have the agent.`,
        "Add the user to the agent's users, or take the name out."
      ))
    }
    if (schedules.findIndex(({ name }) => name === entry.name) < i) {
      faults.push(fault(file, at("name"), `Two schedules are called ${entry.name}.`, "Rename one of them."))
    }
    return faults
  })

/** Schedules whose input is not what the agent works on: nobody is there then who could be asked for more. */
const misfitsOf = async (
  file: string,
  { input_schema, schedules }: AgentFrontMatter,
  placeOf: PlaceOf
): Promise<ReadonlyArray<Fault>> => {
  const given = schedules.flatMap(({ input, name }, i) => Object.keys(input).length > 0 ? [{ i, input, name }] : [])
  if (input_schema === null || given.length === 0) return []
  const { Validator } = await import("@cfworker/json-schema")
  const validator = new Validator(input_schema, "2020-12")
  const problemWith = (input: unknown): string | undefined => {
    try {
      return validator.validate(input).errors.at(-1)?.error
    } catch {
      // A pattern that is none is found when something is held against it.
      return "The schema cannot be used."
    }
  }
  return given.flatMap(({ i, input, name }) => {
    const problem = problemWith(input)
    return problem === undefined ? [] : [fault(
      file,
      placeOf(["schedules", i, "input"]),
      `The input of the schedule ${name} is not of input_schema: ${problem}`,
      "Correct one of them."
    )]
  })
}

/** What is wrong with the schedules of one file. */
export const faultsIn = async (
  file: string,
  front: AgentFrontMatter,
  placeOf: PlaceOf,
  minSeconds: number
): Promise<ReadonlyArray<Fault>> => {
  if (front.schedules.length === 0) return []
  const noModel = modelOf(front) === null
    ? [fault(file, placeOf(["schedules"]), "An agent with schedules has no model.", "Name one in its model.")]
    : []
  return [...noModel, ...ofEntry(file, front, placeOf, minSeconds), ...await misfitsOf(file, front, placeOf)]
}

/** What is wrong with all of them. */
export const faultsOf = (agents: ReadonlyMap<string, AgentDefinition>): ReadonlyArray<Fault> => {
  const all = [...agents.values()].filter(({ front }) => front.enabled)
  const count = all.reduce(
    (sum, agent) => agent.front.schedules.reduce((sum, entry) => sum + runsFor(agent, entry).length, sum),
    0
  )
  return [
    ...count > maxSchedules
      ? [whole(
        "agents",
        `There are ${count} schedules, each counted for each of its users, and may be ${maxSchedules}.`,
        "Name fewer users."
      )]
      : [],
    ...all.flatMap((agent) =>
      agent.front.schedules.filter((entry) => runsFor(agent, entry).length === 0).map(({ name }): Fault => ({
        ...whole(
          `agents/${agent.id}/AGENT.md`,
          `The schedule ${name} runs for nobody.`,
          "Name its users, such as `users: [local]`."
        ),
        level: "warning"
      }))
    )
  ]
}
