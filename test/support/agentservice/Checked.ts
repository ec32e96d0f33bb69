/**
 * Support files hand over the frames and answers that pass through them. A test after which something was refused by a
 * strict client of either version fails.
 */
import { afterEach } from "vitest"
import { type ClassName, complaintsAbout, complaintsAboutA } from "./Conforms.ts"

/** Complaints since the last test, each once, with their numbers. */
const collected = new Map<string, number>()

const collect = (complaints: ReadonlyArray<string>) => {
  for (const complaint of complaints) collected.set(complaint, (collected.get(complaint) ?? 0) + 1)
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null

/** Frames of a stream, whole ones; comments may stand between them. Frames that a test has made up have no type. */
export const checkFrames = (frames: string): void => {
  for (const line of frames.split("\n")) {
    const event: unknown = line.startsWith("data: {") ? JSON.parse(line.slice(6)) : undefined
    // The objects of other protocols say which ones they are.
    if (isObject(event) && "type" in event && !("object" in event)) collect(complaintsAbout(event))
  }
}

/** Whether the events of a path are of the Agent Service, and not of another protocol. */
export const hasItsEvents = (path: string): boolean => !/^\/(?:a2a|ag-ui|mcp|open-agent|ui-messages)(?:\/|$)/.test(path)

export const checkMessages = (messages: ReadonlyArray<unknown>): void => {
  for (const message of messages) collect(complaintsAboutA("Msg", message))
}

export const checkEvent = (event: unknown): void => collect(complaintsAbout(event))

/** Where records come in lists, and where alone. */
const lists: ReadonlyArray<readonly [path: RegExp, field: string, name: ClassName]> = [
  [/^\/sessions\/[^/]+\/messages$/, "messages", "Msg"],
  [/^\/agent\/?$/, "agents", "AgentRecord"],
  [/^\/credential\/?$/, "credentials", "CredentialRecord"],
  [/^\/sessions\/?$/, "sessions", "SessionRecord"],
  [/^\/model\/?$/, "models", "ModelCard"]
]

/** The mount of the channel for the newest version, and what its clients alone read. */
const mount = /^\/agent-service(?=\/)/

const newestLists: typeof lists = [
  ...lists.filter(([, field]) => field !== "sessions"),
  [/^\/sessions\/?$/, "sessions", "SessionItem"]
]

const single: ReadonlyArray<readonly [path: RegExp, name: ClassName]> = [
  [/^\/agent\/[^/]+$/, "AgentRecord"],
  [/^\/credential\/[^/]+$/, "CredentialRecord"],
  [/^\/sessions\/[^/]+$/, "SessionRecord"],
  [/^\/chat\/reply$/, "Msg"]
]

/** A JSON answer with status 200 to a request of this path. */
export const checkAnswer = (path: string, answer: unknown): void => {
  const [given = ""] = path.split("?")
  if (!isObject(answer)) return
  const plain = given.replace(mount, "")
  const only = plain === given ? undefined : "HEAD"
  for (const [pattern, field, name] of only === undefined ? lists : newestLists) {
    const items = answer[field]
    if (!pattern.test(plain) || !Array.isArray(items)) continue
    for (const item of items) collect(complaintsAboutA(name, item, only))
  }
  for (const [pattern, name] of single) {
    if (pattern.test(plain) && "id" in answer) collect(complaintsAboutA(name, answer, only))
  }
  if (only !== undefined && /^\/chat\/?$/.test(plain)) collect(complaintsAboutA("ChatStarted", answer, only))
}

/** What has been collected, which is forgotten. */
export const takeComplaints = (): ReadonlyArray<string> => {
  const complaints = [...collected].map(([complaint, times]) => `${times} × ${complaint}`)
  collected.clear()
  return complaints
}

afterEach(() => {
  const complaints = takeComplaints()
  if (complaints.length > 0) throw new Error(`Strict clients refuse this:\n${complaints.join("\n")}`)
})
