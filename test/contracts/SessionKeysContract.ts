/** What the keys of channels' clients promise, over any storage. */
import { assert, layer } from "@effect/vitest"
import { Context, Duration, Effect, Layer } from "effect"
import type { Agent } from "../../src/domain/Agent.ts"
import type { Timestamp } from "../../src/domain/Ids.ts"
import * as Host from "../../src/layers/Host.ts"
import * as SessionKeysStored from "../../src/layers/SessionKeys/Stored.ts"
import { SessionKeys } from "../../src/services/SessionKeys.ts"
import { Storage } from "../../src/services/Storage.ts"
import { agentOf, freshOwner, sessionOf } from "../support/fixtures.ts"
import { patience } from "../support/Patience.ts"

const channel = "letters"

const owned = Effect.gen(function*() {
  const { agents } = yield* Storage
  const owner = freshOwner()
  return { owner, agent: yield* agents.insert(agentOf(owner)) }
})

/** A session that is made now, whatever the fixtures' time is. */
const made = (agent: Agent) => {
  const at = new Date().toISOString() as Timestamp
  return { ...sessionOf(agent), created_at: at, updated_at: at }
}

const all = { limit: 200, cursor: undefined }

export const sessionKeysContract = <E>(name: string, memories: Layer.Layer<Host.Memories, E>): void =>
  layer(Host.over(memories), { timeout: patience(60_000), excludeTestServices: true })(
    `Session keys: ${name}`,
    (it) => {
      it.effect("have one session, although fifty ask at once, from two processes", () =>
        Effect.gen(function*() {
          const { agent, owner } = yield* owned
          const { sessionKeys, sessions } = yield* Storage
          const here = yield* SessionKeys
          // What another process has in its memory is its own.
          const there = Context.get(
            yield* Layer.build(Layer.fresh(SessionKeysStored.layerWith())),
            SessionKeys
          )
          const asked = yield* Effect.forEach(
            Array.from({ length: 50 }),
            (_, i) => (i % 2 === 0 ? here : there).of({ owner, channel, key: "k" }, Effect.sync(() => made(agent))),
            { concurrency: "unbounded" }
          )
          assert.strictEqual(new Set(asked.map(({ session }) => session.id)).size, 1)
          assert.strictEqual(asked.filter(({ isNew }) => isNew).length, 1)
          assert.strictEqual((yield* Effect.orDie(sessions.list(owner, all))).total, 1)
          assert.strictEqual((yield* Effect.orDie(sessionKeys.list(owner, all))).total, 1)
        }).pipe(Effect.scoped))

      it.effect("are of their owner and their channel", () =>
        Effect.gen(function*() {
          const keys = yield* SessionKeys
          const ada = yield* owned
          const bob = yield* owned
          const of = ({ agent, owner }: typeof ada, channel: string) =>
            Effect.map(keys.of({ owner, channel, key: "same" }, Effect.sync(() => made(agent))), ({ session }) =>
              session.id)
          const ids = [yield* of(ada, "one"), yield* of(ada, "two"), yield* of(bob, "one"), yield* of(ada, "one")]
          assert.strictEqual(new Set(ids).size, 3)
          assert.strictEqual(ids[3], ids[0])
          assert.isFalse(yield* keys.reset({ owner: bob.owner, channel: "two", key: "same" }))
          assert.strictEqual(yield* of(ada, "two"), ids[1])
        }))

      it.effect("get a new session after a reset, and the old one stays", () =>
        Effect.gen(function*() {
          const { agent, owner } = yield* owned
          const keys = yield* SessionKeys
          const { sessions } = yield* Storage
          const key = { owner, channel, key: "k" }
          const ask = keys.of(key, Effect.sync(() => made(agent)))
          const first = yield* ask
          assert.isTrue(yield* keys.reset(key))
          assert.isFalse(yield* keys.reset(key))
          const second = yield* ask
          assert.isTrue(second.isNew)
          assert.notStrictEqual(second.session.id, first.session.id)
          assert.strictEqual((yield* ask).session.id, second.session.id)
          assert.strictEqual((yield* sessions.get(owner, first.session.id)).id, first.session.id)
        }))

      it.effect("get a new session when they were not used for long, and each use counts", () =>
        Effect.gen(function*() {
          const { agent, owner } = yield* owned
          const keys = yield* SessionKeys
          const { sessionKeys } = yield* Storage
          const ask = Effect.map(
            keys.of({ owner, channel, key: "k", idle: Duration.hours(1) }, Effect.sync(() => made(agent))),
            ({ session }) => session.id
          )
          const row = Effect.map(Effect.orDie(sessionKeys.list(owner, all)), ({ items }) => items[0]!)
          const usedAgo = (minutes: number) =>
            Effect.flatMap(row, ({ id }) =>
              sessionKeys.modify(owner, id, (before) => ({
                ...before,
                updated_at: new Date(Date.now() - minutes * 60_000).toISOString() as Timestamp
              })))
          const first = yield* ask
          yield* usedAgo(50)
          assert.strictEqual(yield* ask, first)
          assert.isAbove(Date.parse((yield* row).updated_at), Date.now() - 60_000)
          yield* usedAgo(61)
          const answers = yield* Effect.all(Array.from({ length: 10 }, () => ask), { concurrency: "unbounded" })
          assert.strictEqual(new Set(answers).size, 1)
          assert.notStrictEqual(answers[0], first)
          assert.strictEqual(yield* ask, answers[0])
        }))

      it.effect("are gone with their session, and nothing of a session that could not be made stays", () =>
        Effect.gen(function*() {
          const { agent, owner } = yield* owned
          const keys = yield* SessionKeys
          const { agents, sessionKeys, sessions } = yield* Storage
          const key = { owner, channel, key: "k" }
          const ask = keys.of(key, Effect.sync(() => made(agent)))
          const { session } = yield* ask
          yield* sessions.remove(owner, session.id)
          assert.strictEqual((yield* Effect.orDie(sessionKeys.list(owner, all))).total, 0)
          const second = yield* ask
          assert.isTrue(second.isNew)
          yield* agents.remove(owner, agent.id)
          assert.strictEqual((yield* Effect.flip(ask))._tag, "NotFound")
          assert.strictEqual((yield* Effect.orDie(sessionKeys.list(owner, all))).total, 0)
        }))

      it.effect("leave sessions of a single request alone, which are removed when they are old enough", () =>
        Effect.gen(function*() {
          const { agent, owner } = yield* owned
          const keys = yield* SessionKeys
          const { sessions } = yield* Storage
          const old = yield* keys.once(channel, sessionOf(agent))
          const young = yield* keys.once(channel, made(agent))
          const kept = yield* keys.of({ owner, channel, key: "k" }, Effect.sync(() => sessionOf(agent)))
          yield* SessionKeysStored.sweep(Duration.minutes(1))
          const { items } = yield* Effect.orDie(sessions.list(owner, all))
          assert.sameMembers(items.map(({ id }) => id), [young.id, kept.session.id])
          assert.notInclude(items.map(({ id }) => id), old.id)
        }))

      it.effect("are not needed: a session stays without one until it is discarded", () =>
        Effect.gen(function*() {
          const { agent, owner } = yield* owned
          const { sessions } = yield* Storage
          const keys = yield* SessionKeys
          const stays = yield* keys.kept(sessionOf(agent))
          const goes = yield* keys.kept(made(agent))
          yield* keys.discard(channel, goes)
          yield* SessionKeysStored.sweep(Duration.minutes(1))
          const { items } = yield* Effect.orDie(sessions.list(owner, all))
          assert.deepStrictEqual(items.map(({ id }) => id), [stays.id])
        }))
    }
  )
