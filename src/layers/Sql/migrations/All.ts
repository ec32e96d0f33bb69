import type { Migrations } from "../Migrations.ts"
import { initial } from "./0001_initial.ts"

/** Every step, for `Migrations.migrate`. */
export const all: Migrations = {
  "0001_initial": initial
}
