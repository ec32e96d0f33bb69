/**
 * Workspaces on another machine, in sandboxes of E2B or of a service that speaks its API. Files and programs are there; only
 * whose a workspace is is kept in a folder here, so that what there is can be listed and ended while the service is away.
 */
import { Data, Duration, Effect, Layer } from "effect"
import { randomBytes } from "node:crypto"
import { promises as fs } from "node:fs"
import { join, resolve } from "node:path"
import type { UserId } from "../../domain/Ids.ts"
import { isLoopback, type Settings } from "../../domain/Settings.ts"
import { pathOf, type WorkspaceError, type WorkspaceKey } from "../../domain/Workspace.ts"
import { Outbound } from "../../services/Outbound.ts"
import { Workspace } from "../../services/Workspace.ts"
import type { Backend } from "./Backend.ts"
import * as Disk from "./Disk.ts"
import { type ClientOptions, type E2bFailed, make as clientOf } from "./e2b/Client.ts"
import * as Files from "./e2b/Files.ts"
import * as Programs from "./e2b/Programs.ts"
import * as Sandboxes from "./e2b/Sandboxes.ts"
import * as Service from "./e2b/Service.ts"
import * as Remote from "./Remote.ts"
import * as Shared from "./Shared.ts"

export interface ServiceOptions extends ClientOptions {
  readonly template: string
  /** Whether programs may reach the internet. */
  readonly internet: boolean
}

export interface Options extends Shared.Options, ServiceOptions {
  /** Where the records are. */
  readonly dir: string
  /** How long a sandbox is awake after its last use, when not as long as a workspace is kept in memory. */
  readonly awake?: Duration.Duration
}

export const noKey = "STOA_E2B_API_KEY is missing"

const plain = (url: string): string => url.endsWith("/") ? plain(url.slice(0, -1)) : url

/** The service that the settings name; undefined without a key. */
export const serviceOf = (settings: Settings): ServiceOptions | undefined =>
  settings.e2b_api_key === undefined ? undefined : {
    apiKey: settings.e2b_api_key,
    apiUrl: plain(settings.e2b_api_url ?? `https://api.${settings.e2b_domain}`),
    domain: settings.e2b_domain,
    sandboxUrl: settings.e2b_sandbox_url === undefined ? undefined : plain(settings.e2b_sandbox_url),
    template: settings.e2b_template,
    internet: settings.e2b_internet
  }

/** What may be reached of it. What the operator names may be inside; a sandbox's own address only where `outbound_hosts` has it. */
export const reach = ({ host, outbound_hosts }: Settings, { apiUrl, sandboxUrl }: ServiceOptions) => ({
  hosts: [
    ...outbound_hosts,
    ...[apiUrl, sandboxUrl ?? apiUrl].map((text) => {
      const { hostname, port, protocol } = new URL(text)
      return `${hostname}:${port === "" ? (protocol === "https:" ? 443 : 80) : port}`
    })
  ],
  loopback: isLoopback(host),
  isUnbounded: true
})

/** Programs cannot be run in sandboxes. `message` says why, in a sentence without its end. */
export class NoSandbox extends Data.TaggedError("NoSandbox")<{ readonly message: string }> {}

/** Shortest and longest time that a sandbox is awake without use; a small account may have an hour. */
const leastAwake = Duration.minutes(1)
const mostAwake = Duration.hours(1)

/** Longest time for the trial. */
const trialTimeout = Duration.seconds(60)

/** The name of a folder of records, made once, which all who use the folder share. */
const placeOf = (dir: string) =>
  Effect.promise(async () => {
    const path = join(dir, "place")
    const name = await fs.readFile(path, "utf8").catch(() => "")
    if (/^[0-9a-f]{32}$/.test(name)) return name
    await fs.writeFile(path, randomBytes(16).toString("hex"), { mode: 0o600, flag: "wx" }).catch(() => {})
    return fs.readFile(path, "utf8")
  })

export const make = Effect.fnUntraced(function*(options: Options) {
  const dir = resolve(options.dir)
  const client = clientOf(yield* Outbound, options)
  const disk = yield* Disk.make({ dir, root: Sandboxes.root })
  const mark = (owner: UserId, key: WorkspaceKey) => join(disk.folderOf(owner, key), "sandbox")
  const get = (owner: UserId, key: WorkspaceKey) => disk.recordIn(Disk.hashOf(owner), key)
  const last = (owner: UserId, key: WorkspaceKey) =>
    Effect.promise(async () => {
      const id = await fs.readFile(mark(owner, key), "utf8").catch(() => "")
      return /^[A-Za-z0-9_-]{1,128}$/.test(id) ? id : undefined
    })
  const sandboxes = yield* Sandboxes.make(client, {
    get,
    ofHash: disk.recordIn,
    last,
    setLast: (owner, key, id) =>
      // Its folder may be gone by now, and the workspace with it.
      Effect.promise(async () => {
        const path = mark(owner, key)
        await (id === undefined ? fs.rm(path, { force: true }) : fs.writeFile(path, id, { mode: 0o600 })).catch(
          () => {}
        )
      })
  }, {
    template: options.template,
    internet: options.internet,
    place: yield* placeOf(dir),
    awake: options.awake ?? Duration.clamp(options.idle, { minimum: leastAwake, maximum: mostAwake })
  })
  const place = (owner: UserId, key: WorkspaceKey, isQuiet = false) =>
    Files.make(client, sandboxes, owner, key, isQuiet)

  const spawn: Exclude<Backend["spawn"], undefined> = (owner, key, spawning) =>
    Effect.gen(function*() {
      yield* sandboxes.runs(key)
      const carrier = yield* sandboxes.within(owner, key, (held) =>
        Effect.gen(function*() {
          held.isEmpty = false
          return yield* Programs.begin(client, held.sandbox, {
            cwd: pathOf(Sandboxes.root, spawning.cwd),
            argv: spawning.command.argv,
            env: spawning.command.env ?? {},
            within: spawning.command.timeout === undefined ? undefined : Duration.decode(spawning.command.timeout),
            cpuSeconds: spawning.limits.cpuSeconds
          })
        }))
      // What only counts must not be the one who hears that all is lost.
      return yield* Remote.begin(carrier, { ...spawning, place: place(owner, key, true) })
    }).pipe(
      Effect.catchTag("E2bFailed", (error): Effect.Effect<never, WorkspaceError> =>
        Effect.fail(Sandboxes.unavailable(error)))
    )

  return yield* Shared.make({
    kind: {
      name: "e2b",
      runs: true,
      about: `Files and programs are in sandboxes of '${options.template}' at ${options.apiUrl}, ${
        options.internet ? "which reach the internet" : "without internet"
      }`
    },
    prepare: (owner, record) => Effect.as(disk.prepare(owner, record), place(owner, record.id)),
    records: disk.records,
    place: (owner, key) => place(owner, key, true),
    // The record first: whatever comes then, the sandbox belongs to nobody, and is ended now or later.
    destroy: (owner, key) =>
      Effect.gen(function*() {
        const [record, sandbox] = [yield* get(owner, key), yield* last(owner, key)]
        yield* disk.destroy(owner, key)
        if (record !== undefined) yield* sandboxes.end(owner, record, sandbox)
      }),
    spawn
  }, options)
})

const no = (message: string) => new NoSandbox({ message })

const reasonOf = ({ message, status }: E2bFailed, { template }: ServiceOptions): string =>
  status === 401 || status === 403
    ? "The service of the sandboxes refuses the key in STOA_E2B_API_KEY"
    : status === 404
    ? `The service of the sandboxes has no template '${template}'`
    : message

const trialScript = "command -v find awk tr kill >/dev/null && mkdir -p \"$1\" && echo inside"

/** Whether programs can be run in a sandbox, found out by running one. */
export const probe = (service: ServiceOptions): Effect.Effect<void, NoSandbox, Outbound> =>
  Effect.gen(function*() {
    const client = clientOf(yield* Outbound, service)
    const { code, out } = yield* Effect.acquireUseRelease(
      Service.trial(client, service.template),
      (sandbox) => client.patiently(Programs.run(client, sandbox, trialScript, [Sandboxes.root])),
      ({ id }) => Effect.ignore(client.patiently(client.api("DELETE", `/sandboxes/${id}`)))
    )
    if (code !== 0 || out.trim() !== "inside") {
      return yield* no(
        `Sandboxes of '${service.template}' lack a shell with find, awk and tr, or a user '${Sandboxes.home}'`
      )
    }
  }).pipe(
    Effect.catchTag("E2bFailed", (error) => no(reasonOf(error, service))),
    Effect.timeoutFail({ duration: trialTimeout, onTimeout: () => no("A program in a sandbox did not end in time") })
  )

export const layer = (options: Options): Layer.Layer<Workspace, never, Outbound> =>
  Layer.scoped(Workspace, make(options))
