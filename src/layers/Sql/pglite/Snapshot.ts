/**
 * A new database, packed: opening a copy takes a tenth of the time of making one
 * and running every migration. Made when stoa is built (`./Pack.ts`), and beside
 * this file then; without it everything works, only the first start is slower.
 * Migrations that came after it was made run in the copy as in any database.
 */
import { Effect } from "effect"
import type { Option } from "effect"
import * as Fs from "node:fs/promises"
import { promisify } from "node:util"
import * as Zlib from "node:zlib"

export const file: URL = new URL("./pglite.tar.br", import.meta.url)

export const read: Effect.Effect<Option.Option<Blob>> = Effect.tryPromise(async () =>
  new Blob([new Uint8Array(await promisify(Zlib.brotliDecompress)(await Fs.readFile(file)))])
).pipe(Effect.option)
