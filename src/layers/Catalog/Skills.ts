/** Reads `skills/`. */
import { Either } from "effect"
import { type Fault, type SkillDefinition, SkillFrontMatter } from "../../domain/Definition.ts"
import { type Disk, gathering, Refused, whole } from "./Disk.ts"
import { reader } from "./FrontMatter.ts"
import { idsIn } from "./Names.ts"
import * as Steps from "./Steps.ts"

export const folder = "skills"

/** Bytes of a skill's instructions. */
const maxFile = 256 * 1024

const decode = reader(SkillFrontMatter, Object.keys(SkillFrontMatter.fields))

export const read = async (disk: Disk, faults: Array<Fault>): Promise<ReadonlyMap<string, SkillDefinition>> => {
  const skills = new Map<string, SkillDefinition>()
  for (const id of await idsIn(disk, folder, faults)) {
    const file = `${folder}/${id}/SKILL.md`
    // oxlint-disable-next-line eslint/no-await-in-loop -- one after the other: a thousand need not be open at once
    const read = await gathering(faults, async () => {
      const main = await disk.textOf(file, maxFile)
      if (main === undefined) {
        throw new Refused(whole(`${folder}/${id}`, "There is no SKILL.md.", "Write one, or move the folder away."))
      }
      return decode(file, main.text)
    })
    if (read === undefined) continue
    if (Either.isLeft(read)) {
      faults.push(...read.left)
      continue
    }
    const { body, front, placeOf } = read.right
    if (front.name !== null && front.name !== id) {
      faults.push(whole(file, `The skill is called ${front.name}, and its folder ${id}.`, "Give both one name."))
    } else {
      faults.push(...Steps.faultsOf(file, front, placeOf))
      skills.set(id, { id, front, body, places: front.steps.map((_, i) => placeOf(["steps", i])) })
    }
  }
  return skills
}
