import { Args, Command, Options } from "@effect/cli"
import * as FileSystem from "@effect/platform/FileSystem"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { Effect, Option, Schema, Stream } from "effect"
import { SessionId } from "../../domain/Ids.ts"
import { LibrarySkill, type LibrarySkillRecord, type WorkspaceSkill } from "../../domain/Skill.ts"
import { maxPackedBytes, maxSkillFiles } from "../../domain/SkillFiles.ts"
import { connect, type Connection, connection } from "../Connection.ts"
import { failed, misused } from "../Failed.ts"
import { mountOf } from "../Gateway.ts"
import { confirm, decode, optionalText, yes } from "../Inputs.ts"
import { named } from "../Named.ts"
import { type Column, output, printAll, printRecord } from "../Output.ts"

const ofLibrary: ReadonlyArray<Column<LibrarySkill>> = [
  ["id", ({ id }) => id],
  ["name", ({ name }) => name],
  ["shared", ({ shared }) => shared, 1],
  ["description", ({ description }) => description]
]

const DefinedSkill = Schema.Struct({ id: Schema.String, name: Schema.String, description: Schema.String })

interface Listed extends Pick<LibrarySkill, "name" | "description" | "shared"> {
  readonly id: string
  readonly from: "library" | "definition"
}

const ofAll: ReadonlyArray<Column<Listed>> = [
  ["id", ({ id }) => id],
  ["name", ({ name }) => name],
  ["from", ({ from }) => from, 1],
  ["shared", ({ shared }) => shared, 2],
  ["description", ({ description }) => description]
]

const libraryDetails: ReadonlyArray<Column<LibrarySkillRecord>> = [
  ...ofLibrary,
  ["author", ({ author }) => author],
  ["version", ({ version }) => version],
  ["files", ({ files }) => files.map(({ path }) => path).join(", ")]
]

const ofWorkspace: ReadonlyArray<Column<WorkspaceSkill>> = [
  ["name", ({ name }) => name],
  ["folder", ({ dir }) => dir],
  ["description", ({ description }) => description]
]

const common = { ...output, ...connection }

const session = optionalText("session", "SESSION-ID", "The session whose workspace is meant; else it is the library")

const theSession = Options.text("session").pipe(
  Options.withPseudoName("SESSION-ID"),
  Options.withDescription("The session whose workspace is meant")
)

const nameOrId = Args.text({ name: "name-or-id" }).pipe(
  Args.withDescription("The skill's name, or its id in the library")
)

const sessionOf = (id: string) => Effect.map(decode(SessionId, id), (session_id) => ({ session_id }))

const inLibrary = ({ api }: Connection, text: string) =>
  Effect.flatMap(api.skills.library(), (skills) => named("skill", skills, text))

/** Those of the operator's definitions, which the Agent Gateway's API lists, where it is served. */
const defined = (server: Connection) =>
  mountOf(server).pipe(
    Effect.flatMap((mount) => server.http.get(`${mount}/skills`)),
    Effect.flatMap(HttpClientResponse.schemaBodyJson(Schema.Array(DefinedSkill))),
    Effect.map((skills) => skills.map((skill) => ({ ...skill, shared: true, from: "definition" as const }))),
    Effect.catchTag("Failed", () => Effect.succeed([]))
  )

const list = Command.make("list", { session, ...common }, (options) =>
  Effect.gen(function*() {
    const connected = yield* connect(options)
    const { api } = connected
    if (Option.isNone(options.session)) {
      const library = (yield* api.skills.library()).map((skill) => ({ ...skill, from: "library" as const }))
      return yield* printAll(options.output, ofAll, Stream.fromIterable([...library, ...yield* defined(connected)]))
    }
    const urlParams = yield* sessionOf(options.session.value)
    yield* printAll(options.output, ofWorkspace, Stream.fromIterable(yield* api.skills.inWorkspace({ urlParams })))
  })).pipe(
    Command.withDescription("List the skills of your library and of the definitions, or of a session's workspace")
  )

const show = Command.make("show", { skill: nameOrId, session, ...common }, (options) =>
  Effect.gen(function*() {
    const connected = yield* connect(options)
    const { api } = connected
    const { skill } = options
    if (Option.isSome(options.session)) {
      const urlParams = yield* sessionOf(options.session.value)
      const skills = yield* api.skills.inWorkspace({ urlParams })
      const { one } = yield* named("skill", skills.map((one) => ({ id: one.name, name: one.name, one })), skill)
      return yield* printRecord(options.output, ofWorkspace, one)
    }
    const { id } = yield* inLibrary(connected, skill)
    yield* printRecord(options.output, libraryDetails, yield* api.skills.inLibrary({ path: { skill_id: id } }))
  })).pipe(Command.withDescription("Show a skill; -o json shows its SKILL.md too"))

/** Files of a folder, by their paths in it, within what an upload may have. */
const filesIn = Effect.fnUntraced(function*(root: string) {
  const files = yield* FileSystem.FileSystem
  const names = yield* files.readDirectory(root, { recursive: true })
  const paths: Array<{ readonly path: string; readonly size: number }> = []
  let bytes = 0
  for (const name of names) {
    const path = name.replaceAll("\\", "/")
    if (path.split("/").includes(".git")) continue
    const { size, type } = yield* files.stat(`${root}/${name}`)
    if (type === "Directory") continue
    bytes += Number(size)
    if (type !== "File") return yield* misused(`${root}/${name} is no file.`)
    if (bytes > maxPackedBytes || paths.length >= maxSkillFiles) {
      return yield* misused(`${root} has more than ${maxSkillFiles} files, or more than ${maxPackedBytes} bytes.`)
    }
    paths.push({ path, size: Number(size) })
  }
  return paths
})

/** What a path on this machine becomes as an upload: a folder is a form, all else an archive. */
const bodyOf = Effect.fnUntraced(function*(path: string) {
  const files = yield* FileSystem.FileSystem
  const { size, type } = yield* files.stat(path)
  if (type !== "Directory") {
    if (Number(size) > maxPackedBytes) return yield* misused(`${path} has more than ${maxPackedBytes} bytes.`)
    const bytes = yield* files.readFile(path)
    return HttpClientRequest.bodyUint8Array(bytes, "application/zip")
  }
  const form = new FormData()
  const contents: Array<{ readonly path: string; readonly bytes: Uint8Array }> = []
  for (const { path: name } of yield* filesIn(path)) {
    contents.push({ path: name, bytes: yield* files.readFile(`${path}/${name}`) })
  }
  // By what was read, which may be another size than was found.
  const entries = contents.map(({ bytes, path }) => ({ path, size: bytes.length }))
  form.append("manifest", JSON.stringify({ entries }))
  for (const { bytes, path } of contents) {
    form.append("files", new Blob([new Uint8Array(bytes)]), path.split("/").at(-1)!)
  }
  return HttpClientRequest.bodyFormData(form)
})

const unreadable = (path: string, reason: string) => misused(`${path} cannot be read (${reason}).`)

const add = Command.make(
  "add",
  {
    path: Args.text({ name: "path" }).pipe(Args.withDescription("A folder with SKILL.md, or a zip archive of one")),
    session,
    shared: Options.boolean("shared").pipe(Options.withDescription("Lend it to all tenants; for admins")),
    ...common
  },
  (options) =>
    Effect.gen(function*() {
      const { path } = options
      const { http } = yield* connect(options)
      const body = yield* Effect.catchTags(bodyOf(path), {
        SystemError: ({ reason }) => unreadable(path, reason),
        BadArgument: () => unreadable(path, "BadArgument")
      })
      if (Option.isSome(options.session)) {
        const urlParams = yield* sessionOf(options.session.value)
        const request = HttpClientRequest.post("/workspace/skill/upload", { urlParams })
        const { text } = yield* http.execute(body(request))
        return yield* Effect.asVoid(text)
      }
      const request = HttpClientRequest.post("/skill/upload", { urlParams: { shared: `${options.shared}` } })
      const { json } = yield* http.execute(body(request))
      const skill = yield* Effect.flatMap(json, Schema.decodeUnknown(LibrarySkill))
      yield* printRecord(options.output, ofLibrary, skill)
    })
).pipe(Command.withDescription("Add a skill to your library, or to a session's workspace"))

const use = Command.make(
  "use",
  { skill: nameOrId, session: theSession, ...connection },
  (options) =>
    Effect.gen(function*() {
      const connected = yield* connect(options)
      const { api } = connected
      const urlParams = yield* sessionOf(options.session)
      const { id } = yield* inLibrary(connected, options.skill)
      const { failed: reasons } = yield* api.skills.addFromLibrary({ urlParams, payload: { skill_ids: [id] } })
      const [reason] = Object.values(reasons)
      if (reason !== undefined) return yield* failed(reason)
    })
).pipe(Command.withDescription("Copy a skill of the library into a session's workspace"))

const remove = Command.make(
  "remove",
  { skill: nameOrId, session, ...yes, ...connection },
  (options) =>
    Effect.gen(function*() {
      const connected = yield* connect(options)
      const { api } = connected
      const { skill } = options
      if (Option.isSome(options.session)) {
        const urlParams = yield* sessionOf(options.session.value)
        yield* confirm(`Remove the skill ${skill} from the workspace?`, options.yes)
        return yield* api.skills.remove({ path: { skill_name: encodeURIComponent(skill) }, urlParams })
      }
      const { id: skill_id } = yield* inLibrary(connected, skill)
      yield* confirm(`Remove the skill ${skill} from the library?`, options.yes)
      yield* api.skills.removeFromLibrary({ path: { skill_id } })
    })
).pipe(Command.withDescription("Remove a skill from your library, or from a session's workspace"))

export const skills = Command.make("skills").pipe(
  Command.withDescription("Instructions and files that agents read when a task needs them"),
  Command.withSubcommands([list, show, add, use, remove])
)
