/** Reads `tools/`: what a model is told of each, and what is run. */
import { Either } from "effect"
import { type DefinitionId, type Fault, ToolFrontMatter } from "../../domain/Definition.ts"
import type { JsonObject } from "../../domain/Json.ts"
import type { ToolDefinition } from "../../services/Catalog.ts"
import { type Disk, gathering, Refused, type TextFile, whole } from "./Disk.ts"
import { reader } from "./FrontMatter.ts"
import { forEach, idsIn } from "./Names.ts"

export const folder = "tools"

/** Bytes of a description and of a handler. */
const maxFile = 256 * 1024
const maxHandler = 4 * 1024 * 1024

/** Where a handler is, in the order in which it is looked for. */
const handlers = ["handler.mjs", "handler.js", "handler.ts"]

const decode = reader(ToolFrontMatter, Object.keys(ToolFrontMatter.fields))

const schemaOf = ({ parameters }: ToolFrontMatter): JsonObject => ({
  type: "object",
  properties: Object.fromEntries(
    Object.entries(parameters).map(([name, { default: usual, description, enum: choices, type }]) => [name, {
      type,
      ...(description !== "" && { description }),
      ...(choices !== undefined && { enum: choices }),
      ...(usual !== undefined && { default: usual })
    }])
  ),
  required: Object.entries(parameters).flatMap(([name, { required }]) => required ? [name] : []),
  additionalProperties: false
})

const handlerOf = async (disk: Disk, own: string): Promise<(TextFile & { readonly path: string }) | undefined> => {
  for (const name of handlers) {
    // oxlint-disable-next-line eslint/no-await-in-loop -- the first is the one
    const found = await disk.textOf(`${own}/${name}`, maxHandler)
    if (found !== undefined) return { ...found, path: disk.pathOf(`${own}/${name}`) }
  }
  return undefined
}

const toolOf = async (
  disk: Disk,
  id: DefinitionId
): Promise<Either.Either<ToolDefinition, ReadonlyArray<Fault>>> => {
  const own = `${folder}/${id}`
  const file = `${own}/TOOL.md`
  const main = await disk.textOf(file, maxFile)
  if (main === undefined) {
    throw new Refused(whole(own, "There is no TOOL.md.", "Write one, or move the folder away."))
  }
  const read = decode(file, main.text)
  if (Either.isLeft(read)) return Either.left(read.left)
  const { front } = read.right
  if (front.name !== null && front.name !== id) {
    throw new Refused(whole(file, `The tool is called ${front.name}, and its folder ${id}.`, "Give both one name."))
  }
  const handler = await handlerOf(disk, own)
  const { command } = front
  if (command !== null && handler !== undefined) {
    throw new Refused(whole(own, "The tool has a command and a handler.", "Keep one of them."))
  }
  const parameters = schemaOf(front)
  if (command !== null && front.env.length > 0) {
    throw new Refused(
      whole(file, "A command has the workspace's environment, not the server's.", "Take env away, or write a handler.")
    )
  }
  if (command !== null) return Either.right({ id, front, parameters, runs: { type: "command", command } })
  if (handler === undefined) {
    throw new Refused(
      whole(own, "The tool has nothing that runs.", `Add one of ${handlers.join(", ")}, or the field command.`)
    )
  }
  const { path, stamp } = handler
  return Either.right({ id, front, parameters, runs: { type: "handler", path, stamp } })
}

export const read = async (disk: Disk, faults: Array<Fault>): Promise<ReadonlyMap<string, ToolDefinition>> => {
  const tools = new Map<string, ToolDefinition>()
  const ids = await idsIn(disk, folder, faults)
  for (const [id, tool] of await forEach(ids, (id) => gathering(faults, () => toolOf(disk, id)))) {
    if (tool === undefined) continue
    if (Either.isRight(tool)) tools.set(id, tool.right)
    else faults.push(...tool.left)
  }
  return tools
}
