/** Reads a hub's list and what it lists: from a folder of the operator's, or over HTTP from an address. */
// oxlint-disable no-await-in-loop -- names are tried one after the other
import { Data, Duration, Effect, Schema, type Scope } from "effect"
import { promises as fs } from "node:fs"
import { join } from "node:path"
import { parse } from "yaml"
import { HubFailed, HubIndex } from "../../domain/Hub.ts"
import { maxPackedBytes } from "../../domain/SkillFiles.ts"
import type { Outbound } from "../../services/Outbound.ts"
import type { SkillSource } from "../../services/Skills.ts"
import * as Remembering from "./Remembering.ts"

/** Bytes of a list. */
const maxIndex = 8 * 1024 * 1024

/** How long an answer may take. */
const timeout = Duration.seconds(30)

const names = ["hub.yaml", "hub.yml", "hub.json"]

class Unread extends Data.TaggedError("Unread")<{ readonly cause: unknown }> {}

/** Where a hub is, is the operator's business. */
const failed = (why: string) => new HubFailed({ detail: `A hub ${why}. The server's log says more.` })

export interface Hub {
  readonly index: Effect.Effect<HubIndex, HubFailed>
  /** Where the files of a skill are. */
  readonly skill: (source: string) => Effect.Effect<SkillSource, HubFailed>
  /** A text file in a skill's folder; undefined where that is not known before it is installed. */
  readonly text: (source: string, file: string) => Effect.Effect<string | undefined, HubFailed>
}

/** Whether a place leads nowhere but down from the list. */
const isBelow = (source: string): boolean =>
  !/[\\\0:]/.test(source) && source.split("/").every((name) => name !== "" && name !== ".." && name !== ".")

const logged = (where: string, why: string) => (error: Unread) =>
  Effect.zipRight(
    Effect.logWarning("A hub cannot be read").pipe(Effect.annotateLogs({ hub: where, cause: String(error.cause) })),
    failed(why)
  )

const decoded = (value: unknown) =>
  Effect.mapError(Schema.decodeUnknown(HubIndex)(value), (cause) => new Unread({ cause }))

const tried = <A>(work: (signal: AbortSignal) => Promise<A>) =>
  Effect.tryPromise({ try: work, catch: (cause) => new Unread({ cause }) })

const ofFolder = (root: string) => {
  const readAt = async (path: string, most: number) => {
    const { size } = await fs.stat(path)
    if (size > most) throw new Error(`${path} has more than ${most} bytes`)
    return fs.readFile(path)
  }
  /** The list's file, and what tells it from the same one when it has been changed. */
  const listFile = tried(async () => {
    for (const name of names) {
      const path = join(root, name)
      const found = await fs.stat(path, { bigint: true }).catch((error: unknown) => {
        if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined
        throw error
      })
      if (found !== undefined) {
        return { path, stamp: [name, found.ino, found.size, found.mtimeNs, found.ctimeNs].join() }
      }
    }
    throw new Error(`${root} has none of ${names.join(", ")}`)
  })
  let known: { readonly stamp: string; readonly index: HubIndex } | undefined
  const index = Effect.flatMap(listFile, ({ path, stamp }) =>
    // YAML of a thousand cards takes half a second of everybody's: once for each change.
    known?.stamp === stamp ? Effect.succeed(known.index) : Effect.map(
      Effect.flatMap(
        tried(async (): Promise<unknown> => parse((await readAt(path, maxIndex)).toString("utf8"))),
        decoded
      ),
      (index) => {
        known = { stamp, index }
        return index
      }
    ))
  const below = (source: string) =>
    isBelow(source) ? Effect.succeed(join(root, source)) : failed("lists what is not below it")
  return {
    index,
    skill: (source: string) =>
      Effect.flatMap(below(source), (path): Effect.Effect<SkillSource, HubFailed> =>
        source.endsWith(".zip")
          ? Effect.catchAll(
            Effect.map(tried(() => readAt(path, maxPackedBytes)), (bytes) => ({ type: "zip", bytes })),
            logged(root, "does not have what it lists")
          )
          : Effect.succeed({ type: "folder", path })),
    text: (source: string, file: string) =>
      source.endsWith(".zip")
        ? Effect.succeed(undefined)
        : Effect.flatMap(below(source), (path) =>
          Effect.catchAll(
            Effect.map(tried(() => readAt(join(path, file), maxIndex)), (bytes) => bytes.toString("utf8")),
            logged(root, "does not have what it lists")
          ))
  }
}

/** The bytes of an answer. One that has more is broken off there. */
const bytesOf = async ({ body }: Response, most: number) => {
  const pieces: Array<Uint8Array> = []
  let size = 0
  for await (const piece of body ?? []) {
    size += piece.length
    if (size > most) throw new Error(`more than ${most} bytes`)
    pieces.push(piece)
  }
  return Buffer.concat(pieces)
}

const ofAddress = (url: string, { fetch }: typeof Outbound.Service) => {
  const get = (address: string, most: number) =>
    Effect.timeoutFail(
      tried(async (signal) => {
        const response = await fetch(address, { signal, redirect: "manual", headers: { "user-agent": "Stoa" } })
        if (!response.ok) {
          await response.body?.cancel()
          throw new Error(`HTTP ${response.status}`)
        }
        return await bytesOf(response, most)
      }),
      { duration: timeout, onTimeout: () => new Unread({ cause: "timeout" }) }
    )
  return {
    index: get(url, maxIndex).pipe(
      Effect.flatMap((bytes) => tried(async (): Promise<unknown> => JSON.parse(bytes.toString("utf8")))),
      Effect.flatMap(decoded)
    ),
    skill: (source: string) => {
      // A URL has more ways to write dots.
      const { href } = new URL(source, url)
      return isBelow(source) && href.startsWith(new URL(".", url).href)
        ? Effect.catchAll(
          Effect.map(get(href, maxPackedBytes), (bytes): SkillSource => ({ type: "zip", bytes })),
          logged(url, "does not give what it lists")
        )
        : failed("lists what is not below it")
    },
    text: () => Effect.succeed(undefined)
  }
}

/** `place` is a folder, or an address that begins with https:// or http://. */
export const open = (place: string, outbound: typeof Outbound.Service): Effect.Effect<Hub, never, Scope.Scope> => {
  const hub = /^https?:\/\//.test(place) ? ofAddress(place, outbound) : ofFolder(place)
  return Effect.map(
    Remembering.make(Effect.catchAll(hub.index, logged(place, "cannot be read")), failed("does not answer at once")),
    (index) => ({ ...hub, index })
  )
}
