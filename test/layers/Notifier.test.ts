/** Messages about runs: none is lost with a process, each is sent until it is taken, and its log says what happened. */
import { assert, describe, it, layer } from "@effect/vitest"
import { Context, Effect, Fiber, Layer, Redacted } from "effect"
import { SMTPServer } from "smtp-server"
import type { Delivery } from "../../src/domain/Notification.ts"
import type { Session } from "../../src/domain/Session.ts"
import * as Host from "../../src/layers/Host.ts"
import * as MailerSmtp from "../../src/layers/Mailer/Smtp.ts"
import * as OutboundGuarded from "../../src/layers/Outbound/Guarded.ts"
import { Jobs } from "../../src/services/Jobs.ts"
import { JobStore } from "../../src/services/JobStore.ts"
import { Storage } from "../../src/services/Storage.ts"
import { conversation, say } from "../support/hub.ts"
import { eventually, live, storedRun } from "../support/live.ts"
import { notify } from "../support/notifications.ts"
import { patience } from "../support/Patience.ts"
import { freshDatabase } from "../support/Postgres.ts"
import { receiver } from "../support/Receiver.ts"

const page = { limit: 100, cursor: undefined }

const outbound = OutboundGuarded.layer({ hosts: [], loopback: true })

const said = Effect.fnUntraced(function*(session: Session, text: string) {
  const { run_id } = yield* say(session, text)
  yield* eventually("the run has ended", storedRun(session, run_id), ({ status }) => status === "ended")
  return run_id
})

const deliveriesOf = (session: Session) =>
  Effect.flatMap(
    Storage,
    ({ deliveries }) =>
      Effect.map(deliveries.list(session.user_id, page), ({ items }): ReadonlyArray<Delivery> => items)
  )

const jobsOf = (session: Session) =>
  Effect.flatMap(Storage, ({ jobs }) => Effect.map(jobs.list(session.user_id, page), ({ items }) => items))

const contract = <E>(name: string, storage: Layer.Layer<Host.Memories, E>) =>
  layer(storage, { timeout: patience(60_000), excludeTestServices: true })(`Notifications over ${name}`, (it) => {
    it.scoped("are sent once each for runs that ended just before their process was killed", () =>
      Effect.gen(function*() {
        const hook = yield* receiver
        // No process does jobs: what there is to tell stays where the run was written.
        const first = yield* live({ engine: { outbound } })
        const session = yield* first.do(conversation())
        yield* first.do(notify(session, { url: hook.url }))
        const runs = yield* Effect.forEach(
          ["say one", "say two", "fail three"],
          (text) => first.do(said(session, text))
        )
        yield* first.kill
        assert.strictEqual((yield* jobsOf(session)).length, 3)

        const second = yield* live({ engine: { outbound } })
        yield* Effect.forkScoped(second.do(Effect.flatMap(Jobs, ({ run }) => run)))
        yield* eventually(
          "all are delivered",
          deliveriesOf(session),
          (all) => all.length === 3 && all.every(({ status }) => status === "delivered")
        )
        assert.sameMembers(hook.got.map(({ json }) => json.data.run.id), runs)
        assert.deepStrictEqual(
          hook.got.map(({ json }) => json.type).toSorted(),
          ["run.completed", "run.completed", "run.failed"]
        )
      }))

    it.scoped("go out again under the same id when the process is killed before it has written that they went", () =>
      Effect.gen(function*() {
        const hook = yield* receiver
        const first = yield* live({ engine: { outbound } })
        const session = yield* first.do(conversation())
        yield* first.do(notify(session, { url: hook.url }))
        hook.answer = () => {}
        const loop = yield* Effect.forkScoped(first.do(Effect.flatMap(Jobs, ({ run }) => run)))
        yield* first.do(said(session, "say one"))
        yield* eventually("it is on its way", Effect.sync(() => hook.got.length), (length) => length === 1)
        yield* Fiber.interrupt(loop)
        yield* first.kill
        hook.answer = (_, response) => response.writeHead(200).end()
        const second = yield* live({ engine: { outbound } })
        yield* Effect.forkScoped(second.do(Effect.flatMap(Jobs, ({ run }) => run)))
        // Both live in this process and have one name: what the dead one held is given free by hand.

        const store = yield* JobStore
        yield* Effect.flatMap(store.look([]), ({ workers }) => store.release(workers))
        yield* eventually("it is delivered", deliveriesOf(session), ([delivery]) => delivery?.status === "delivered")
        const [one, other] = hook.got
        assert.strictEqual(one!.headers["webhook-id"], other!.headers["webhook-id"])
        assert.strictEqual(one!.body, other!.body)
      }))

    it.scoped("cost runs of those who have none nothing, and hold from their first moment on", () =>
      Effect.gen(function*() {
        const host = yield* live({ engine: { outbound } })
        const session = yield* host.do(conversation())
        yield* host.do(said(session, "say one"))
        assert.deepStrictEqual(yield* jobsOf(session), [])
        yield* host.do(notify(session, { url: "https://hooks.example.com" }))
        yield* host.do(said(session, "say two"))
        assert.strictEqual((yield* jobsOf(session)).length, 1)
      }))
  })

contract("Memory", Host.memory)
contract("PGlite", Host.pglite({ dataDir: undefined }))
contract(
  "PostgreSQL",
  Layer.unwrapEffect(
    Effect.map(Effect.promise(() => freshDatabase()), (url) => Host.postgres({ url: Redacted.make(url) }))
  )
)

interface Mailed {
  readonly from: string
  readonly to: ReadonlyArray<string>
  readonly text: string
}

/** A mail server on loopback that answers recipients with a code. */
const mailServer = (codes: Readonly<Record<string, number>> = {}) =>
  Effect.acquireRelease(
    Effect.async<{ readonly port: number; readonly mails: Array<Mailed>; readonly close: () => void }>((resume) => {
      const mails: Array<Mailed> = []
      const server = new SMTPServer({
        authOptional: true,
        disabledCommands: ["STARTTLS"],
        onRcptTo: ({ address }, _, answer) => {
          const code = codes[address.split("@")[0]!]
          answer(code === undefined ? undefined : Object.assign(new Error("no"), { responseCode: code }))
        },
        onData: (stream, { envelope }, answer) => {
          let text = ""
          stream.on("data", (piece: Buffer) => text += piece.toString("utf8")).on("end", () => {
            mails.push({
              from: envelope.mailFrom === false ? "" : envelope.mailFrom.address,
              to: envelope.rcptTo.map(({ address }) => address),
              text
            })
            answer()
          })
        }
      })
      server.listen(0, "127.0.0.1", () => {
        const address = server.server.address()
        const port = typeof address === "object" && address !== null ? address.port : 0
        resume(Effect.succeed({ port, mails, close: () => server.close() }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )

describe("A mail server", () => {
  it.scopedLive(
    "gets a mail for each run, as plain text, to one receiver, whatever the agent says",
    () =>
      Effect.gen(function*() {
        const { mails, port } = yield* mailServer({ nobody: 550, busy: 450 })
        const url = Redacted.make(`smtp://127.0.0.1:${port}`)
        const host = yield* Layer.build(Host.over(Host.memory, {
          mailer: MailerSmtp.layer({ url, from: "Stoa <stoa@example.com>" })
        }))
        const within = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.provide(effect, host)
        yield* Effect.forkScoped(Context.get(host, Jobs).run)
        const session = yield* within(conversation())
        for (const name of ["ada", "nobody", "busy"]) {
          yield* within(notify(session, { kind: "email", to: `${name}@example.com` }))
        }
        yield* within(said(session, "say well\nthen\nsay Bcc: eve@example.com"))
        const all = yield* within(eventually("each was tried", deliveriesOf(session), (found) =>
          found.length === 3 && found.every(({ attempts }) =>
            attempts.length > 0
          )))
        const of = (name: string) =>
          all.find(({ target }) => target.startsWith(name))!
        assert.deepInclude(of("ada"), { status: "delivered" })
        assert.deepInclude(of("nobody"), { status: "refused" })
        assert.strictEqual(of("nobody").attempts[0]!.status, 550)
        assert.deepInclude(of("busy"), { status: "pending" })
        assert.strictEqual(of("busy").attempts[0]!.status, 450)
        assert.strictEqual(mails.length, 1)
        assert.deepInclude(mails[0], { from: "stoa@example.com", to: ["ada@example.com"] })
        assert.include(mails[0]!.text, "Subject: Friday has finished")
        assert.include(mails[0]!.text.replace(/\r\n\s+/g, " "), `Message-ID: <${of("ada").id}@example.com>`)
        assert.include(mails[0]!.text, "Content-Type: text/plain")
      }),
    patience(60_000)
  )

  it.scopedLive("that is not there makes a mail wait, without a word of its address", () =>
    Effect.gen(function*() {
      const url = Redacted.make("smtp://user:hunter2@127.0.0.1:9")
      const host = yield* Layer.build(
        Host.over(Host.memory, { mailer: MailerSmtp.layer({ url, from: "a@b.example" }) })
      )
      const within = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.provide(effect, host)
      yield* Effect.forkScoped(Context.get(host, Jobs).run)
      const session = yield* within(conversation())
      yield* within(notify(session, { kind: "email", to: "ada@example.com" }))
      yield* within(said(session, "say well"))
      const [delivery] = yield* within(
        eventually("it was tried", deliveriesOf(session), ([found]) => (found?.attempts.length ?? 0) > 0)
      )
      assert.strictEqual(delivery!.status, "pending")
      assert.strictEqual(delivery!.attempts[0]!.error, "The mail server could not be reached.")
      assert.notInclude(JSON.stringify(delivery), "hunter2")
    }), patience(60_000))
})
