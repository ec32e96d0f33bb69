/** The skills of the caller's library as prompts: what an agent here reads of one, another's model can be given too. */
import { Effect } from "effect"
import { NotFound } from "../../../domain/Errors.ts"
import type { UserId } from "../../../domain/Ids.ts"
import type { LibrarySkill } from "../../../domain/Skill.ts"
import { Skills } from "../../../services/Skills.ts"

/** Longest task that a prompt is given, in characters. */
const maxTask = 64 * 1024

const notFound = (name: string) =>
  new NotFound({ code: "prompt_not_found", detail: `Prompt '${name.slice(0, 128)}' not found.` })

/** One's own comes before a shared one of the same name. */
const distinct = (skills: ReadonlyArray<LibrarySkill>): ReadonlyArray<LibrarySkill> => {
  const byName = new Map<string, LibrarySkill>()
  for (const skill of skills) {
    if (!skill.enabled) continue
    const known = byName.get(skill.name)
    if (known === undefined || (skill.editable && !known.editable)) byName.set(skill.name, skill)
  }
  return [...byName.values()]
}

export const make = Effect.map(Skills, (skills) => {
  const all = (owner: UserId) => Effect.map(skills.library(owner), distinct)
  return {
    list: (owner: UserId) =>
      Effect.map(all(owner), (found) => ({
        prompts: found.map(({ description, name }) => ({
          name,
          description,
          arguments: [{ name: "task", description: "What to do with the skill.", required: false }]
        }))
      })),

    get: Effect.fnUntraced(function*(owner: UserId, name: string, task: string | undefined) {
      const found = (yield* all(owner)).find((one) => one.name === name)
      if (found === undefined) return yield* notFound(name)
      // It may have been removed since.
      const { description, markdown } = yield* Effect.mapError(
        skills.inLibrary(owner, found.id),
        () => notFound(name)
      )
      const text = task === undefined || task === "" ? markdown : `${markdown}\n\n${task.slice(0, maxTask)}`
      return { description, messages: [{ role: "user" as const, content: { type: "text" as const, text } }] }
    })
  }
})
