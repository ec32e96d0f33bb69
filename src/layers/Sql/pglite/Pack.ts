/** Makes the packed database that new ones are copies of. */
import { PGlite } from "@electric-sql/pglite"
import { Effect } from "effect"
import * as Fs from "node:fs/promises"
import { tmpdir } from "node:os"
import * as Path from "node:path"
import { promisify } from "node:util"
import * as Zlib from "node:zlib"
import { migrate } from "../Migrations.ts"
import * as migrations from "../migrations/All.ts"
import * as Pglite from "./Pglite.ts"
import * as Snapshot from "./Snapshot.ts"

const temporaryFolder = Effect.acquireRelease(
  Effect.promise(() => Fs.mkdtemp(Path.join(tmpdir(), "stoa-pack-"))),
  (folder) => Effect.promise(() => Fs.rm(folder, { recursive: true, force: true }))
)

/** The templates of databases are half of all files, and nobody makes a second database in an embedded one. */
const dropTemplates = async (db: PGlite) => {
  await db.exec("update pg_database set datistemplate = false")
  await db.exec("drop database template0")
  await db.exec("drop database template1")
}

const dump = async (folder: string) => {
  const db = await PGlite.create(`file://${Path.join(folder, "postgres")}`)
  await dropTemplates(db)
  // The tables have not been used: without this, the first transactions would write to the pages of each of their rows.
  await db.exec("vacuum freeze")
  await db.exec("checkpoint")
  const tar = Buffer.from(await (await db.dumpDataDir("none")).arrayBuffer())
  await db.close()
  return tar
}

const compress = (tar: Buffer) =>
  promisify(Zlib.brotliCompress)(tar, {
    params: {
      [Zlib.constants.BROTLI_PARAM_QUALITY]: 5,
      [Zlib.constants.BROTLI_PARAM_LGWIN]: Zlib.constants.BROTLI_MAX_WINDOW_BITS,
      [Zlib.constants.BROTLI_PARAM_SIZE_HINT]: tar.length
    }
  })

/** Writes 2 MB, in 5 s. Moved into place when complete, so a reader never sees half of it. */
export const write = Effect.scoped(Effect.gen(function*() {
  // The new one is not made from the old one, whose migrations may have been others.
  yield* Effect.promise(() => Fs.rm(Snapshot.file, { force: true }))
  const folder = yield* temporaryFolder
  yield* Effect.provide(migrate(migrations.all), Pglite.layer({ dataDir: folder }))
  yield* Effect.promise(async () => {
    const unfinished = new URL(`${Snapshot.file.href}.${process.pid}`)
    // The joined program may be made before the modules, in whose folder this is.
    await Fs.mkdir(new URL(".", Snapshot.file), { recursive: true })
    await Fs.writeFile(unfinished, await compress(await dump(folder)))
    await Fs.rename(unfinished, Snapshot.file)
  })
})).pipe(Effect.orDie)
