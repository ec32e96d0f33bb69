/** The version of this program, as its package says it when it runs. */
import { readFileSync } from "node:fs"

// The same way from src/cli and from dist/cli.
const manifest: unknown = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"))

export const version: string =
  typeof manifest === "object" && manifest !== null && "version" in manifest && typeof manifest.version === "string"
    ? manifest.version
    : "unknown"

export const versionLine = `stoa ${version}`
