/** What is wrong with the steps of one skill, as far as its own file shows it. */
import type { Fault, SkillFrontMatter, SkillStep } from "../../domain/Definition.ts"
import { isObject } from "../../domain/JsonSchema.ts"
import { isTooDeep, promptName, referencesIn } from "../../domain/Workflow.ts"
import { fault, type Read } from "./FrontMatter.ts"

type PlaceOf = Read<SkillFrontMatter>["placeOf"]

/** What a step is given, with the place of each in the step. */
const inputsOf = ({ input, tools = [] }: SkillStep) => [
  { path: ["input"], input },
  ...tools.flatMap((one, i) => typeof one === "string" ? [] : [{ path: ["tools", i, "input"], input: one.input }])
]

export const faultsOf = (file: string, front: SkillFrontMatter, placeOf: PlaceOf): ReadonlyArray<Fault> => {
  const { input_schema, steps } = front
  const faults: Array<Fault> = []
  const properties = input_schema?.["properties"]
  const before = new Set<string>()
  for (const [i, step] of steps.entries()) {
    const say = (path: ReadonlyArray<PropertyKey>, message: string, fix: string) =>
      void faults.push(fault(file, placeOf(["steps", i, ...path]), message, fix))
    if (before.has(step.name)) say(["name"], `Two steps are called ${step.name}.`, "Rename one of them.")
    const names = [step.tool, ...(step.tools ?? []).map((one) => typeof one === "string" ? one : one.tool)]
    if (names.includes(promptName)) {
      say([], `The step ${step.name} calls a tool ${promptName}, which steps cannot call.`, "Use the field prompt.")
    }
    for (const { input, path } of inputsOf(step)) {
      if (isTooDeep(input)) say(path, `The input of the step ${step.name} nests too deep.`, "Make it flatter.")
      for (const { path: within, reference, text } of referencesIn(input)) {
        const at = [...path, ...within]
        if (reference === undefined) {
          say(at, `${text} refers to nothing.`, "Write $.input.<name> or $.steps.<name>.output.")
        } else if (reference.step === undefined) {
          const [name] = reference.path
          if (isObject(properties) && typeof name === "string" && !Object.hasOwn(properties, name)) {
            say(at, `${text} refers to nothing: the input has no ${name}.`, "Add it to input_schema, or correct it.")
          }
        } else if (!before.has(reference.step)) {
          const isLater = steps.some(({ name }) => name === reference.step)
          say(
            at,
            isLater
              ? `${text} refers to a step that has not been done then.`
              : `${text} refers to nothing: there is no step ${reference.step}.`,
            isLater ? "Move the step before this one." : "Add the step, or correct the name."
          )
        }
      }
    }
    before.add(step.name)
  }
  return faults
}
