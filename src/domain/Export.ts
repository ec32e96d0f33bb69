/** A session as a document to keep: Markdown for people, JSON for programs. Made piece by piece, however long it is. */
import { Schema } from "effect"
import type { Timestamp } from "./Ids.ts"
import type { ContentBlock, DataBlock, Message, TextBlock, ToolOutput } from "./Message.ts"
import type { Session } from "./Session.ts"

export const ExportFormat = Schema.Literal("markdown", "json")
export type ExportFormat = typeof ExportFormat.Type

/** What stands before the messages, between two of them, and after them. */
export interface Document {
  readonly head: string
  readonly of: (message: Message, isFirst: boolean) => string
  readonly tail: string
  readonly media_type: string
  readonly extension: string
}

/** On one line. */
const line = (text: string) => text.replace(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, " ").trim()

/** Code that ends where it ends: its fence is longer than any row of backticks in it. */
const fenced = (text: string, language = ""): string => {
  let longest = 2
  for (const [row] of text.matchAll(/`+/g)) longest = Math.max(longest, row.length)
  const fence = "`".repeat(longest + 1)
  return `${fence}${language}\n${text}\n${fence}`
}

const fileOf = ({ name, source }: DataBlock): string => {
  const word = line(name ?? source.media_type).replace(/[[\]\\]/g, "\\$&")
  return source.type === "url"
    ? `[${word}](<${source.url.replace(/[<>\s]/g, encodeURIComponent)}>)`
    : `*${word}, inline*`
}

const outputOf = (output: ToolOutput): string => {
  if (typeof output === "string") return fenced(output)
  return output.map((block: TextBlock | DataBlock) => block.type === "text" ? fenced(block.text) : fileOf(block))
    .join("\n\n")
}

/** Thoughts and hints are left out. */
const blockOf = (block: ContentBlock): ReadonlyArray<string> => {
  switch (block.type) {
    case "text":
      return block.text.trim() === "" ? [] : [block.text.trimEnd()]
    case "data":
      return [fileOf(block)]
    case "tool_call":
      return [`**Calls \`${line(block.name).replaceAll("`", "'")}\`**`, fenced(block.input, "json")]
    case "tool_result":
      return [`**Result of \`${line(block.name).replaceAll("`", "'")}\`: ${block.state}**`, outputOf(block.output)]
    default:
      return []
  }
}

const endOf = ({ error, finished_reason }: Message): ReadonlyArray<string> =>
  finished_reason === undefined || finished_reason === "completed"
    ? []
    : [`*${finished_reason}${error == null ? "" : `: ${line(error.message)}`}*`]

const markdown = (session: Session, at: Timestamp): Document => ({
  head: `# ${line(session.config.name)}\n\nSession \`${session.id}\`, made ${session.created_at}, exported ${at}.\n`,
  of: (message) =>
    `\n${
      [
        `## ${line(message.name)} (${message.role}), ${message.created_at}`,
        ...message.content.flatMap(blockOf),
        ...endOf(message)
      ]
        .join("\n\n")
    }\n`,
  tail: "",
  media_type: "text/markdown; charset=utf-8",
  extension: "md"
})

const json = (session: Session, at: Timestamp): Document => ({
  head: `{"session":${JSON.stringify(session)},"exported_at":${JSON.stringify(at)},"messages":[`,
  of: (message, isFirst) => `${isFirst ? "" : ","}\n${JSON.stringify(message)}`,
  tail: "\n]}\n",
  media_type: "application/json",
  extension: "json"
})

export const documentOf = (format: ExportFormat, session: Session, at: Timestamp): Document =>
  format === "markdown" ? markdown(session, at) : json(session, at)
