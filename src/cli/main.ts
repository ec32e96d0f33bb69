#!/usr/bin/env node
/** `stoa`. Its version is said without loading the rest. */
import { versionLine } from "./Version.ts"

const words = process.argv.slice(2)

if (words.length === 1 && (words[0] === "version" || words[0] === "--version")) process.stdout.write(`${versionLine}\n`)
else (await import("./Program.ts")).main(words)
