/**
 * The bytes of skills in storage: the files of a bundle one behind the other, cut into pieces. A bundle is written piece
 * by piece outside of any transaction, so that nobody waits for it; it counts once it is whole and a skill has it.
 * What a killed process has left half written is swept away.
 */
import { Chunk, Clock, Duration, Effect, Random, Stream } from "effect"
import { createHash } from "node:crypto"
import { type Invalid, LimitReached, NotFound } from "../../domain/Errors.ts"
import { SkillBundleId, type Timestamp, type UserId } from "../../domain/Ids.ts"
import type { Skill, SkillBundle } from "../../domain/Skill.ts"
import { planOf, skillRefused } from "../../domain/SkillFiles.ts"
import * as Base64 from "../../services/Base64.ts"
import { NewId } from "../../services/NewId.ts"
import { nextTurn } from "../../services/NextTurn.ts"
import { timestampOf } from "../../services/Now.ts"
import { Storage } from "../../services/Storage.ts"
import { supervise } from "../Supervise.ts"
import * as FrontMatter from "./FrontMatter.ts"
import type { Bytes, Source } from "./Source.ts"

const pieceBytes = 256 * 1024

/** Files that are taken in one turn of the event loop. */
const filesAtOnce = 50

/** Pieces that one who reads a whole bundle has in memory. */
const keptPieces = 4

/** Longest time to write a bundle. One that is open for longer than `openFor` has been given up. */
const writeTimeout = Duration.minutes(10)
const openFor = Duration.hours(1)

/** About the time between two sweeps, and how many bundles one step removes. */
const sweepEvery = Duration.minutes(10)
const sweptAtOnce = 50

const pieceId = (bundle: SkillBundleId, n: number) => `${bundle}.${`${n}`.padStart(6, "0")}`

/** What was written, and what its `SKILL.md` says. */
export interface Written {
  readonly bundle: SkillBundle
  readonly main: FrontMatter.Main
  readonly digest: string
  readonly bytes: number
}

const tooSlow = new LimitReached({
  code: "too_slow",
  detail: "Writing the skill took too long. Try again.",
  retry_after: 10
})

export const make = Effect.gen(function*() {
  const { skillBundles, skillPieces, skills, transaction } = yield* Storage
  const newId = yield* NewId

  const discard = ({ id, user_id }: Pick<SkillBundle, "id" | "user_id">) =>
    Effect.ignore(skillBundles.remove(user_id, id))

  const load = (id: SkillBundleId, n: number): Effect.Effect<Buffer, NotFound> =>
    Effect.map(skillPieces.host.get(pieceId(id, n)), ({ data }) => Buffer.from(data, "base64"))

  /** Bytes of a bundle, from its pieces. */
  const range = (
    piece: (n: number) => Effect.Effect<Buffer, NotFound>,
    from: number,
    to: number
  ): Stream.Stream<Uint8Array, NotFound> =>
    from >= to ? Stream.empty : Stream.mapEffect(
      Stream.range(Math.floor(from / pieceBytes), Math.floor((to - 1) / pieceBytes)),
      (n) => Effect.map(piece(n), (bytes) => bytes.subarray(Math.max(0, from - n * pieceBytes), to - n * pieceBytes))
    )

  const find = (
    { files }: SkillBundle,
    path: string,
    piece: (n: number) => Effect.Effect<Buffer, NotFound>,
    limit: number
  ): Stream.Stream<Uint8Array, NotFound> => {
    let from = 0
    for (const { path: name, size } of files) {
      if (name === path) return range(piece, from, from + Math.min(size, limit))
      from += size
    }
    return Stream.fail(NotFound.of("File", path.slice(0, 200)))
  }

  /** A file of a bundle; `NotFound` when it has none of this path. At most `limit` bytes of it. */
  const file = (bundle: SkillBundle, path: string, limit = Infinity) =>
    find(bundle, path, (n) => load(bundle.id, n), limit)

  /** The same for one who reads all files in their order: many small ones lie in one piece, which is loaded once. */
  const reader = (bundle: SkillBundle) => {
    const kept = new Map<number, Effect.Effect<Buffer, NotFound>>()
    const piece = (n: number): Effect.Effect<Buffer, NotFound> =>
      Effect.suspend(() =>
        kept.get(n) ?? Effect.flatMap(Effect.cached(load(bundle.id, n)), (loading) => {
          const known = kept.get(n) ?? loading
          kept.set(n, known)
          if (kept.size > keptPieces) kept.delete(kept.keys().next().value!)
          return known
        })
      )
    let end = 0
    const places = new Map(bundle.files.map(({ path, size }) => [path, { from: end, to: end += size }]))
    return (path: string): Bytes<NotFound> => {
      const { from, to } = places.get(path) ?? { from: 0, to: Infinity }
      if (to - from > pieceBytes) return find(bundle, path, piece, Infinity)
      const [first, last] = [Math.floor(from / pieceBytes), Math.floor(Math.max(from, to - 1) / pieceBytes)]
      const part = (n: number) =>
        Effect.map(piece(n), (bytes) => bytes.subarray(Math.max(0, from - n * pieceBytes), to - n * pieceBytes))
      if (from === to) return Effect.succeed(Buffer.alloc(0))
      return first === last
        ? part(first)
        : Effect.zipWith(part(first), part(last), (one, other) => Buffer.concat([one, other]))
    }
  }

  const whole = (stream: Stream.Stream<Uint8Array, NotFound>): Effect.Effect<Buffer, NotFound> =>
    Effect.map(Stream.runCollect(stream), (pieces) => Buffer.concat(Chunk.toReadonlyArray(pieces)))

  /** Writes pieces as bytes come. */
  const writer = (bundle: SkillBundle, at: Timestamp) => {
    let n = 0
    let held: Array<Uint8Array> = []
    let size = 0
    const flush = Effect.suspend(() => {
      const bytes = Buffer.concat(held)
      held = []
      size = 0
      return skillPieces.insert({
        id: pieceId(bundle.id, n++),
        user_id: bundle.user_id,
        created_at: at,
        updated_at: at,
        bundle: bundle.id,
        data: Base64.encode(bytes)
      }).pipe(
        // Its ids are new. Without the bundle, the workspace or its owner was removed meanwhile.
        Effect.catchTags({ Conflict: Effect.die, NotFound: () => skillRefused("it was removed while it was added") })
      )
    })
    return {
      take: Effect.fnUntraced(function*(bytes: Uint8Array) {
        for (let at = 0; at < bytes.length;) {
          const part = bytes.subarray(at, at + pieceBytes - size)
          held.push(part)
          size += part.length
          at += part.length
          if (size === pieceBytes) yield* flush
        }
      }),
      end: Effect.suspend(() => size === 0 ? Effect.void : flush)
    }
  }

  /** Writes the files of a source. `allows` is asked before anything is written. The bundle is not whole yet. */
  const write = <E>(
    owner: UserId,
    { brought, bytes, packed }: Source,
    allows: (main: FrontMatter.Main, bytes: number) => Effect.Effect<void, E>
  ): Effect.Effect<Written, Invalid | LimitReached | E> =>
    Effect.gen(function*() {
      const plan = yield* planOf(brought, packed)
      const files = plan.map(({ path, size }) => ({ path, size }))
      const sum = files.reduce((sum, { size }) => sum + size, 0)
      const millis = yield* Clock.currentTimeMillis
      const at = timestampOf(millis)
      const digest = createHash("sha256")

      /** The file's bytes, as many as were told. */
      const checked = ({ from, path, size }: typeof plan[number]) => {
        const other = skillRefused("a file has another size than was told", path)
        const file = bytes(from)
        if (Effect.isEffect(file)) return Effect.filterOrFail(file, ({ length }) => length === size, () => other)
        let seen = 0
        return Stream.concat(
          Stream.mapEffect(file, (piece) => {
            seen += piece.length
            return seen > size ? other : Effect.succeed(piece)
          }),
          Stream.drain(Stream.fromEffect(Effect.suspend(() => seen === size ? Effect.void : other)))
        )
      }

      // It is read first: without it the others need not be read.
      const given = checked(plan[0]!)
      const first = Effect.isEffect(given)
        ? Buffer.from(yield* given)
        : Buffer.concat(Chunk.toReadonlyArray(yield* Stream.runCollect(given)))
      const main = yield* FrontMatter.mainOf(first)
      yield* allows(main, sum)

      const bundle: SkillBundle = {
        id: SkillBundleId.make(newId.record(millis)),
        user_id: owner,
        created_at: at,
        updated_at: at,
        is_whole: false,
        files
      }
      yield* Effect.gen(function*() {
        yield* Effect.orDie(skillBundles.insert(bundle))
        const { end, take } = writer(bundle, at)
        const add = (piece: Uint8Array) => {
          digest.update(piece)
          return take(piece)
        }
        for (const [i, one] of plan.entries()) {
          if (i % filesAtOnce === filesAtOnce - 1) yield* nextTurn
          digest.update(JSON.stringify([one.path, one.size]))
          const file = i === 0 ? Effect.succeed(first) : checked(one)
          yield* Effect.isEffect(file) ? Effect.flatMap(file, add) : Stream.runForEach(file, add)
        }
        yield* end
      }).pipe(Effect.onError(() => discard(bundle)))
      return { bundle, main, digest: digest.digest("hex"), bytes: sum }
    }).pipe(Effect.timeoutFail({ duration: writeTimeout, onTimeout: () => tooSlow }))

  /** The files of a skill as a source, to copy them. */
  const sourceOf = ({ bundle, user_id }: Skill): Effect.Effect<Source, NotFound> =>
    Effect.map(skillBundles.get(user_id, bundle), (found) => {
      const read = reader(found)
      return {
        brought: found.files,
        packed: undefined,
        bytes: (place) => {
          const bytes = read(found.files[place]!.path)
          const gone = () => skillRefused("it was removed while it was copied")
          return Effect.isEffect(bytes) ? Effect.mapError(bytes, gone) : Stream.mapError(bytes, gone)
        }
      }
    })

  /** Removes bundles that were never finished. Those that a skill has are whole. */
  const sweep = Effect.gen(function*() {
    const before = timestampOf((yield* Clock.currentTimeMillis) - Duration.toMillis(openFor))
    for (let cursor: string | null | undefined; cursor !== null;) {
      const page: { items: ReadonlyArray<SkillBundle>; next_cursor: string | null } = yield* Effect.orDie(
        skillBundles.host.list({ limit: sweptAtOnce, ...(cursor !== undefined && { cursor }) }, { state: "open" })
      )
      yield* Effect.forEach(page.items.filter(({ created_at }) => created_at < before), discard, { discard: true })
      cursor = page.next_cursor
    }
  })
  yield* Effect.forkScoped(supervise(
    "Removal of unfinished skills",
    Effect.forever(
      Effect.flatMap(Random.next, (jitter) => Effect.delay(sweep, Duration.times(sweepEvery, 0.8 + 0.4 * jitter)))
    )
  ))

  return {
    write,
    discard,
    file,
    reader,
    whole,
    sourceOf,
    sweep,
    get: ({ bundle, user_id }: Skill): Effect.Effect<SkillBundle, NotFound> => skillBundles.get(user_id, bundle),
    /** Makes the bundle whole and gives it to the skill, at once or not at all. Fails when there is a skill of its name. */
    publish: (skill: Skill) =>
      transaction(Effect.zipRight(
        skillBundles.modify(skill.user_id, skill.bundle, (bundle) => ({ ...bundle, is_whole: true })),
        skills.insert(skill)
      ))
  }
})
