/** What every Files layer promises, over the Storage and the EventLog that it shares its data with. */
import { assert, layer } from "@effect/vitest"
import { Effect, Either, type Layer, Stream } from "effect"
import { createHash, randomBytes } from "node:crypto"
import type { FileHash, StoredFile } from "../../src/domain/File.ts"
import type { MessageId, SessionId, Timestamp, UserId } from "../../src/domain/Ids.ts"
import type { Session } from "../../src/domain/Session.ts"
import { EventLog } from "../../src/services/EventLog.ts"
import { bytesOf, Files, pieceBytes, type SweepPlace, wholeOf } from "../../src/services/Files.ts"
import { Storage } from "../../src/services/Storage.ts"
import { agentOf, freshId, freshOwner, runOf, sessionOf, time } from "../support/fixtures.ts"
import { patience } from "../support/Patience.ts"

const newSession = Effect.fnUntraced(function*(owner: UserId = freshOwner()) {
  const { agents, sessions } = yield* Storage
  const agent = yield* agents.insert(agentOf(owner))
  return yield* sessions.insert(sessionOf(agent))
})

const png = (bytes: Uint8Array, name: string | null = null) => ({ media_type: "image/png", name, bytes })

const put = ({ id, user_id }: Session, bytes: Uint8Array) =>
  Effect.flatMap(Files, (files) => files.put(user_id, id, png(bytes)))

const readAs = (owner: UserId, session: SessionId, hash: FileHash) =>
  Effect.flatMap(
    Files,
    (files) => Effect.flatMap(files.get(owner, session, hash), (file) => wholeOf(files, owner, file))
  ).pipe(Effect.either)

const read = ({ id, user_id }: Session, hash: FileHash) => readAs(user_id, id, hash)

const missing = (outcome: Either.Either<unknown, { readonly _tag: string }>) => {
  if (Either.isRight(outcome)) return assert.fail("The file is there.")
  assert.strictEqual(outcome.left._tag, "NotFound")
}

/** Everything that is older than now. */
const soon = "2999-01-01T00:00:00.000Z" as Timestamp

/** The whole sweep, and what it did. */
const sweep = (before: Timestamp = soon) =>
  Effect.gen(function*() {
    const files = yield* Files
    const sum = { ended: 0, removed: 0 }
    for (let place: SweepPlace | undefined, more = true; more;) {
      const { ended, looked, next, removed } = yield* files.sweep(before, place)
      sum.ended += ended
      sum.removed += removed
      place = next
      more = looked > 0 || next !== undefined
    }
    return sum
  })

const named = (session: Session, { hash }: StoredFile) => ({
  session_id: session.id,
  owner: session.user_id,
  seq: 1,
  message: {
    id: freshId() as MessageId,
    name: "user",
    role: "user" as const,
    content: [{
      type: "data" as const,
      id: "b" as never,
      source: { type: "url" as const, url: `/sessions/${session.id}/files/${hash}`, media_type: "image/png" }
    }],
    metadata: {},
    created_at: time,
    finished_at: time,
    usage: null
  }
})

export const filesContract = <E>(name: string, backend: Layer.Layer<Files | Storage | EventLog, E>) =>
  layer(backend, { timeout: patience(60_000), excludeTestServices: true })(`Files contract: ${name}`, (it) => {
    const sizes = [1, pieceBytes - 1, pieceBytes, pieceBytes + 1, 3 * pieceBytes + 17]
    it.effect("gives back what was put, byte for byte, and whole pieces of it", () =>
      Effect.gen(function*() {
        const files = yield* Files
        const session = yield* newSession()
        for (const size of sizes) {
          const bytes = randomBytes(size)
          const hash = createHash("sha256").update(bytes).digest("hex") as FileHash
          const stored = yield* files.put(session.user_id, session.id, png(bytes, "a\u0000b \ud83d.png"))
          assert.deepInclude(stored, { session_id: session.id, hash, media_type: "image/png", size })
          const got = yield* files.get(session.user_id, session.id, hash)
          assert.deepInclude(got, { session_id: session.id, hash, media_type: "image/png", size })
          assert.deepStrictEqual(yield* read(session, hash), Either.right(bytes))
          const piece = yield* files.piece(session.user_id, session.id, hash, 0)
          assert.strictEqual(piece.length, Math.min(size, pieceBytes))
        }
      }))

    it.effect("gives any part of a file", () =>
      Effect.gen(function*() {
        const files = yield* Files
        const session = yield* newSession()
        const bytes = randomBytes(2 * pieceBytes + 5)
        const stored = yield* put(session, bytes)
        const last = bytes.length - 1
        for (
          const [from, to] of [[0, last], [0, 0], [last, last], [7, pieceBytes], [
            pieceBytes - 1,
            2 * pieceBytes
          ]] as const
        ) {
          const parts = yield* Stream.runCollect(bytesOf(files, session.user_id, stored, from, to))
          assert.deepStrictEqual(Buffer.concat([...parts]), bytes.subarray(from, to + 1))
        }
      }))

    it.effect("shows a file to nobody but its owner, and in no other session", () =>
      Effect.gen(function*() {
        const files = yield* Files
        const session = yield* newSession()
        const own = yield* newSession(session.user_id)
        const foreign = yield* newSession()
        const { hash } = yield* put(session, randomBytes(100))
        missing(yield* readAs(foreign.user_id, session.id, hash))
        missing(yield* read(foreign, hash))
        missing(yield* read(own, hash))
        missing(yield* Effect.either(files.piece(foreign.user_id, session.id, hash, 0)))
        missing(yield* Effect.either(files.put(foreign.user_id, session.id, png(randomBytes(100)))))
        yield* put(foreign, randomBytes(1))
      }))

    it.effect("keeps one copy for all sessions of an owner, until the last of them is gone", () =>
      Effect.gen(function*() {
        const { sessions } = yield* Storage
        yield* sweep()
        const first = yield* newSession()
        const second = yield* newSession(first.user_id)
        const bytes = randomBytes(pieceBytes + 1)
        const { hash } = yield* put(first, bytes)
        yield* put(second, bytes)
        yield* put(second, bytes)
        for (const session of [first, second]) yield* Effect.flatMap(Files, (files) => files.keep(session.id, [hash]))
        yield* sessions.remove(first.user_id, first.id)
        missing(yield* read(first, hash))
        assert.deepStrictEqual(yield* sweep(), { ended: 0, removed: 0 })
        assert.deepStrictEqual(yield* read(second, hash), Either.right(bytes))
        yield* sessions.remove(second.user_id, second.id)
        missing(yield* read(second, hash))
        assert.deepStrictEqual(yield* sweep(), { ended: 0, removed: 1 })
        missing(yield* Effect.either(put(second, bytes)))
      }))

    it.effect("goes with its agent", () =>
      Effect.gen(function*() {
        const { agents } = yield* Storage
        yield* sweep()
        const session = yield* newSession()
        const { hash } = yield* put(session, randomBytes(10))
        yield* agents.remove(session.user_id, session.agent_id)
        missing(yield* read(session, hash))
        assert.deepStrictEqual(yield* sweep(), { ended: 0, removed: 1 })
      }))

    it.effect("forgets what nothing came to name, once it is old enough", () =>
      Effect.gen(function*() {
        yield* sweep()
        const session = yield* newSession()
        const { hash } = yield* put(session, randomBytes(10))
        assert.deepStrictEqual(yield* sweep(time), { ended: 0, removed: 0 })
        assert.isTrue(Either.isRight(yield* read(session, hash)))
        assert.deepStrictEqual(yield* sweep(), { ended: 1, removed: 1 })
        missing(yield* read(session, hash))
      }))

    it.effect("never forgets what a message names, what an input that waits names, or what was kept", () =>
      Effect.gen(function*() {
        const files = yield* Files
        const log = yield* EventLog
        yield* sweep()
        const session = yield* newSession()
        const inMessage = yield* put(session, randomBytes(10))
        yield* log.append({ pages: [], runs: [], messages: [named(session, inMessage)] })
        const kept = yield* put(session, randomBytes(11))
        yield* files.keep(session.id, [kept.hash])
        const ended = yield* newSession()
        const inInput = yield* put(ended, randomBytes(12))
        const run = { ...runOf(ended), status: "ended" as const, input: [named(ended, inInput).message] }
        yield* log.append({ pages: [], runs: [run], messages: [] })
        const busy = yield* newSession()
        const inReply = yield* put(busy, randomBytes(13))
        const open = { ...runOf(busy), status: "running" as const }
        yield* log.append({ pages: [], runs: [open], messages: [] })
        assert.deepStrictEqual(yield* sweep(), { ended: 0, removed: 0 })
        for (
          const [of, { hash }] of [[session, inMessage], [session, kept], [ended, inInput], [busy, inReply]] as const
        ) {
          assert.isTrue(Either.isRight(yield* read(of, hash)))
        }
        // The run has ended, and its reply does not name the file.
        yield* log.append({ pages: [], runs: [{ ...open, status: "ended" }], messages: [] })
        assert.deepStrictEqual(yield* sweep(), { ended: 1, removed: 1 })
      }))

    it.effect("stores a file once, however many put it at once", () =>
      Effect.gen(function*() {
        yield* sweep()
        const session = yield* newSession()
        const other = yield* newSession(session.user_id)
        const bytes = randomBytes(2 * pieceBytes)
        const all = yield* Effect.forEach(
          Array.from({ length: 12 }, (_, i) => i % 2 === 0 ? session : other),
          (of) => put(of, bytes),
          { concurrency: "unbounded" }
        )
        const { hash } = all[0]!
        assert.deepStrictEqual(yield* read(session, hash), Either.right(bytes))
        assert.deepStrictEqual(yield* read(other, hash), Either.right(bytes))
        const { sessions } = yield* Storage
        yield* sessions.remove(session.user_id, session.id)
        yield* sessions.remove(other.user_id, other.id)
        assert.deepStrictEqual(yield* sweep(), { ended: 0, removed: 1 })
      }))

    it.effect("is whole or not there, when its storing is cut off; and storing it again makes it whole", () =>
      Effect.gen(function*() {
        const session = yield* newSession()
        for (const millis of [0, 1, 3, 10]) {
          const bytes = randomBytes(8 * pieceBytes)
          const hash = createHash("sha256").update(bytes).digest("hex") as FileHash
          yield* Effect.timeoutOption(put(session, bytes), millis)
          const half = yield* read(session, hash)
          if (Either.isRight(half)) assert.deepStrictEqual(half.right, bytes)
          else missing(half)
          yield* put(session, bytes)
          assert.deepStrictEqual(yield* read(session, hash), Either.right(bytes))
        }
      }))

    it.effect("is there after it was put, whatever sweeps and removals go on beside it", () =>
      Effect.gen(function*() {
        const { sessions } = yield* Storage
        const owner = freshOwner()
        const bytes = randomBytes(pieceBytes + 1)
        const round = Effect.gen(function*() {
          const session = yield* newSession(owner)
          const { hash } = yield* put(session, bytes)
          yield* Effect.flatMap(Files, (files) => files.keep(session.id, [hash]))
          assert.deepStrictEqual(yield* read(session, hash), Either.right(bytes))
          yield* sessions.remove(session.user_id, session.id)
        })
        yield* Effect.all([
          Effect.repeatN(round, 9),
          Effect.repeatN(round, 9),
          Effect.repeatN(Effect.zipRight(sweep(time), Effect.yieldNow()), 29)
        ], { concurrency: "unbounded" })
      }))
  })
