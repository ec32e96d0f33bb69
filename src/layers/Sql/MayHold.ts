/** The condition that leaves out documents which cannot hold a text: see `anchorOf` of `Find.ts`. */
import { alsoAscii } from "../../domain/Find.ts"

/** `lower` of the collation "C" changes ASCII letters only, whatever the database's own language is. An empty anchor is in all. */
export const mayHold = (column: string, anchor: string): string =>
  `(position(${anchor}::text in lower(${column} collate "C")) > 0 or ${
    alsoAscii.map((character) => `position('${character}' in ${column}) > 0`).join(" or ")
  })`
