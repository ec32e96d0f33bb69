/**
 * Keeps files in PostgreSQL. A file's bytes are addressed by their hash, so
 * writing a piece twice is harmless, and two who store the same file at once need
 * no lock. The hold of the session comes first: a file without one is waste.
 */
import { Effect, Layer } from "effect"
import type { NotFound } from "../../domain/Errors.ts"
import type { FileHash, StoredFile } from "../../domain/File.ts"
import { Files, pieceBytes, type SweepPlace } from "../../services/Files.ts"
import { now } from "../../services/Now.ts"
import { Prepared } from "../Sql/Prepared.ts"
import { dieOf, foreignKeyViolation, orDie, retryDeadlock, stateOf } from "../Sql/SqlState.ts"
import { hashOf, noSession, noSuchFile } from "./Parts.ts"

/** `text` cannot hold NUL. */
const text = (value: string) => value.replaceAll("\0", "\ufffd")

/** The update, which changes nothing, locks the row, so that a sweep cannot take the file away in between. */
const holdText = `
  with file as (
    insert into files (owner, hash, size) values ($1, $2, $3::integer)
    on conflict (owner, hash) do update set size = excluded.size returning is_whole
  ), session as materialized (
    select id from sessions where id = $4 and owner = $1 for key share
  ), hold as (
    insert into session_files (session_id, owner, hash, media_type, name, created_at)
    select id, $1::text, $2::text, $5::text, $6::text, $7::timestamptz from session
    on conflict (session_id, hash) do update set created_at = excluded.created_at returning 1
  )
  select (select is_whole from file) as is_whole, exists (select from hold) as is_held`

const pieceText = `
  insert into file_pieces (owner, hash, n, bytes) values ($1, $2, $3::integer, $4::bytea)
  on conflict (owner, hash, n) do nothing`

const wholeText = "update files set is_whole = true where owner = $1 and hash = $2 returning hash"

const getText = `
  select h.session_id, h.hash, h.media_type, h.name, f.size
  from session_files h join files f on f.owner = h.owner and f.hash = h.hash
  where h.session_id = $1 and h.hash = $2 and h.owner = $3 and f.is_whole`

const readText = `
  select p.bytes from session_files h join file_pieces p on p.owner = h.owner and p.hash = h.hash
  where h.session_id = $1 and h.hash = $2 and h.owner = $3 and p.n = $4::integer`

const keepText = `
  update session_files set is_kept = true
  where session_id = $1 and hash = any(string_to_array($2, ' ')) and not is_kept`

/** One hold at a time: its session's messages are read for it. A hold that is renewed meanwhile stays. */
const endText = `
  with chosen as (
    select session_id, hash from session_files h
    where not is_kept and created_at < $1::timestamptz
      and not exists (select from runs where runs.session_id = h.session_id and runs.status <> 'ended')
    order by created_at limit 1
  ), named as materialized (
    select session_id, hash,
      exists (select from messages m where m.session_id = chosen.session_id and position(chosen.hash in m.data) > 0)
      or exists (select from runs r where r.session_id = chosen.session_id and position(chosen.hash in r.data) > 0) as is_named
    from chosen
  ), kept as (
    update session_files h set is_kept = true from named
    where h.session_id = named.session_id and h.hash = named.hash and named.is_named returning 1
  ), ended as (
    delete from session_files h using named
    where h.session_id = named.session_id and h.hash = named.hash and not named.is_named
      and not h.is_kept and h.created_at < $1::timestamptz returning 1
  )
  select (select count(*) from chosen)::int as looked, (select count(*) from ended)::int as ended`

/** Files that are looked at in one step, and of these those that are removed. */
const lookedAt = 500

const unheldText = `
  with listed as (
    select owner, hash from files where (owner, hash) > ($1, $2) order by owner, hash limit ${lookedAt}
  )
  select owner, hash, exists (select from session_files h where h.owner = listed.owner and h.hash = listed.hash) as is_held
  from listed order by owner, hash`

const removeText = `
  delete from files f where owner = $1 and hash = $2
    and not exists (select from session_files h where h.owner = f.owner and h.hash = f.hash)
  returning hash`

export const make = Effect.map(Prepared, ({ execute }) => {
  const rows = <Row extends object>(...statement: Parameters<typeof execute>) => orDie(execute<Row>(...statement))

  /** A hold of another session came in the moment in which the file was to go: it stays. */
  const remove = ({ hash, owner }: SweepPlace) =>
    execute(removeText, [owner, hash], { isLong: true }).pipe(
      Effect.map((gone) => gone.length),
      Effect.catchAll((error) => stateOf(error) === foreignKeyViolation ? Effect.succeed(0) : dieOf(error))
    )

  return Files.of({
    put: Effect.fnUntraced(function*(owner, session_id, { bytes, media_type, name }) {
      const hash = yield* hashOf(bytes)
      const stored: StoredFile = { session_id, hash, media_type, size: bytes.length, name }
      const [held] = yield* orDie(retryDeadlock(execute<{ readonly is_whole: boolean; readonly is_held: boolean }>(
        holdText,
        [owner, hash, bytes.length, text(session_id), media_type, name === null ? null : text(name), yield* now]
      )))
      if (held?.is_held !== true) return yield* noSession(session_id)
      if (held.is_whole) return stored
      // With the session its hold may go while the pieces are written, and then a sweep may take the file away.
      const written = Effect.gen(function*() {
        for (let n = 0; n * pieceBytes < bytes.length; n++) {
          yield* execute(pieceText, [owner, hash, n, bytes.subarray(n * pieceBytes, (n + 1) * pieceBytes)])
        }
        return yield* execute(wholeText, [owner, hash])
      })
      const done = yield* Effect.catchAll(
        written,
        (error) => stateOf(error) === foreignKeyViolation ? Effect.succeed([]) : dieOf(error)
      )
      return done.length > 0 ? stored : yield* noSession(session_id)
    }),
    get: (owner, session, hash) =>
      Effect.flatMap(
        rows<StoredFile>(getText, [text(session), hash, owner]),
        ([file]) => file === undefined ? Effect.fail(noSuchFile(hash)) : Effect.succeed(file)
      ),
    piece: (owner, session, hash, n) =>
      Effect.flatMap(
        rows<{ readonly bytes: Uint8Array }>(readText, [text(session), hash, owner, n]),
        ([piece]): Effect.Effect<Uint8Array, NotFound> =>
          piece === undefined ? Effect.fail(noSuchFile(hash)) : Effect.succeed(piece.bytes)
      ),
    keep: (session, hashes) =>
      hashes.length === 0 ? Effect.void : Effect.asVoid(rows(keepText, [session, hashes.join(" ")])),
    sweep: Effect.fnUntraced(function*(before, after) {
      const [holds] = yield* rows<{ readonly looked: number; readonly ended: number }>(endText, [before], {
        isLong: true
      })
      const files = yield* rows<SweepPlace & { readonly is_held: boolean }>(unheldText, [
        after?.owner ?? "",
        after?.hash ?? ""
      ])
      let removed = 0
      for (const file of files) if (!file.is_held) removed += yield* remove(file)
      const last = files.length < lookedAt ? undefined : files.at(-1)
      return {
        ...holds!,
        removed,
        next: last && { owner: last.owner, hash: last.hash as FileHash }
      }
    })
  })
})

export const layer: Layer.Layer<Files, never, Prepared> = Layer.effect(Files, make)
