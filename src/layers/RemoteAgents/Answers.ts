/** What an agent elsewhere has answered, in words for a model. Nothing of it is an instruction, and nothing is believed. */
import { type Option, Schema } from "effect"
import { maxRemoteAnswer } from "../../domain/RemoteAgent.ts"
import type { RemoteAnswer } from "../../services/RemoteAgents.ts"

/** Longest id of a task and of a context, most parts of one message, and most files that are taken from an answer. */
const maxId = 512
const maxParts = 1_000
const maxFiles = 16

const optional = <A, I>(schema: Schema.Schema<A, I>) => Schema.optional(Schema.NullOr(schema))

const Id = Schema.String.pipe(Schema.minLength(1), Schema.maxLength(maxId))

const Part = Schema.Struct({
  text: optional(Schema.String),
  raw: optional(Schema.String),
  url: optional(Schema.String),
  data: Schema.optional(Schema.Unknown),
  mediaType: optional(Schema.String),
  filename: optional(Schema.String)
})
type Part = typeof Part.Type

const Parts = Schema.Array(Part).pipe(Schema.maxItems(maxParts))

const Message = Schema.Struct({ contextId: optional(Schema.String.pipe(Schema.maxLength(maxId))), parts: Parts })

const Status = Schema.Struct({ state: Schema.String, message: optional(Message) })

const Task = Schema.Struct({
  id: Id,
  contextId: optional(Schema.String.pipe(Schema.maxLength(maxId))),
  status: Status,
  artifacts: optional(Schema.Array(Schema.Struct({ parts: Parts })).pipe(Schema.maxItems(maxParts)))
})
export type Task = typeof Task.Type

/** What one frame says, as far as it is looked at. A task is read whole only when it has ended. */
const Frame = Schema.Struct({
  task: optional(Task),
  message: optional(Message),
  statusUpdate: optional(Schema.Struct({ taskId: Id, status: Schema.Struct({ state: Schema.String }) })),
  artifactUpdate: optional(Schema.Struct({ taskId: Id }))
})
export type Frame = typeof Frame.Type

export const frameOf: (value: unknown) => Option.Option<Frame> = Schema.decodeUnknownOption(Frame)
export const taskIn: (value: unknown) => Option.Option<Task> = Schema.decodeUnknownOption(Task)

const working = new Set(["TASK_STATE_SUBMITTED", "TASK_STATE_WORKING", "TASK_STATE_UNSPECIFIED"])
const waiting = new Set(["TASK_STATE_INPUT_REQUIRED", "TASK_STATE_AUTH_REQUIRED"])

/** Nothing more comes without another message. */
export const isSettled = (state: string): boolean => !working.has(state)
export const isOver = (state: string): boolean => isSettled(state) && !waiting.has(state)

const clean = (text: string) => text.toWellFormed().replaceAll("\0", "\ufffd")

const cut = (text: string) =>
  text.length <= maxRemoteAnswer
    ? text
    : `${text.slice(0, maxRemoteAnswer).replace(/[\uD800-\uDBFF]$/, "")}\n[truncated]`

const line = (text: string) => text.replaceAll(/\s+/g, " ").slice(0, 500)

const isMediaType = (text: string) => text.length <= 127 && /^[\w.+-]+\/[\w.+-]+$/.test(text)

const textOf = ({ data, filename, mediaType, raw, text, url }: Part): string => {
  if (text != null) return text
  if (url != null) return `[File ${line(filename ?? "")} ${line(url)}]`.replace("File  ", "File ")
  if (raw != null) {
    return `[File ${line(filename ?? "")} (${line(mediaType ?? "of no kind")})]`.replace("File  ", "File ")
  }
  return data === undefined ? "" : JSON.stringify(data)
}

const wordsOf = (parts: ReadonlyArray<Part>): string =>
  clean(parts.map(textOf).filter((text) => text !== "").join("\n\n"))

/** Pieces of one artifact follow each other without anything between them where they are texts. */
const artifactText = (parts: ReadonlyArray<Part>): string => {
  let whole = ""
  let isText = false
  for (const part of parts) {
    const text = textOf(part)
    if (text === "") continue
    const isNext = part.text != null
    whole += whole === "" || (isText && isNext) ? text : `\n\n${text}`
    isText = isNext
  }
  return clean(whole)
}

const filesOf = (parts: ReadonlyArray<Part>, call: string): RemoteAnswer["files"] =>
  parts
    .flatMap(({ mediaType, raw }) =>
      raw == null || raw === "" || !/^[A-Za-z0-9+/]+={0,2}$/.test(raw) ? [] : [{ mediaType, raw }]
    )
    .slice(0, maxFiles)
    .map(({ mediaType, raw }, i) => ({
      type: "data",
      block: `${call}-file-${i}`,
      media_type: mediaType != null && isMediaType(mediaType) ? mediaType : "application/octet-stream",
      data: raw
    }))

export const failed = (text: string): RemoteAnswer => ({ text, isFailed: true, files: [] })

export const ofMessage = (title: string, { parts }: typeof Message.Type, call: string): RemoteAnswer => {
  const text = cut(wordsOf(parts))
  return {
    text: text === "" ? `The agent '${title}' has said nothing.` : text,
    isFailed: false,
    files: filesOf(parts, call)
  }
}

const later = (id: string) => `with the task_id ${JSON.stringify(id)}`

export const stillWorks = (title: string, id: string): RemoteAnswer => ({
  text: `The agent '${title}' still works. Call this tool again ${
    later(id)
  } and no message to wait on for what comes of it.`,
  isFailed: false,
  files: []
})

/** A task as it is, which has ended or waits. */
export const ofTask = (title: string, { artifacts, id, status }: Task, call: string): RemoteAnswer => {
  const parts = (artifacts ?? []).flatMap(({ parts }) => parts)
  const produced = (artifacts ?? []).map(({ parts }) => artifactText(parts)).filter((text) => text !== "").join("\n\n")
  const said = wordsOf(status.message?.parts ?? [])
  const files = filesOf(parts, call)
  const all = (first: string, last: string) =>
    cut([produced, first, said].filter((text) => text !== "").join("\n\n")) + last
  switch (status.state) {
    case "TASK_STATE_COMPLETED": {
      const text = cut(produced === "" ? said : produced)
      return { text: text === "" ? `The agent '${title}' is done and has said nothing.` : text, isFailed: false, files }
    }
    case "TASK_STATE_INPUT_REQUIRED":
      return {
        text: all(
          `The agent '${title}' asks:`,
          `\n\nAnswer by calling this tool again ${
            later(id)
          } and the answer as the message. Ask the user where you do not know it.`
        ),
        isFailed: false,
        files
      }
    case "TASK_STATE_AUTH_REQUIRED":
      return {
        text: all(
          `The agent '${title}' wants to be authorized by a person. Tell the user what it says:`,
          `\n\nGo on ${later(id)} afterwards.`
        ),
        isFailed: false,
        files
      }
    case "TASK_STATE_CANCELED":
      return { text: all(`Error: The agent '${title}' has cancelled it.`, ""), isFailed: true, files }
    case "TASK_STATE_REJECTED":
      return { text: all(`Error: The agent '${title}' does not do that.`, ""), isFailed: true, files }
    default:
      return { text: all(`Error: The agent '${title}' has failed.`, ""), isFailed: true, files }
  }
}
