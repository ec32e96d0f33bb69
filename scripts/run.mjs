/** What all scripts share: where the clone is, words for the person in front, and programs that are run to their end. */
import { spawn } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { fileURLToPath } from "node:url"

export const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))

export const at = (...parts) => path.join(root, ...parts)
export const read = (file) => fs.readFileSync(at(file), "utf8")
export const json = (file) => fs.existsSync(at(file)) ? JSON.parse(read(file)) : undefined
export const say = (line) => process.stderr.write(`${line}\n`)
export const seconds = (since) => `${((performance.now() - since) / 1000).toFixed(1)} s`

/** Ends the process with one line for the person in front of it. */
export const stop = (line) => {
  say(line)
  process.exit(1)
}

/** Runs to the end and answers the exit code with what was printed, if that was piped. */
export const run = (command, args, options) =>
  new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, ...options })
    let output = ""
    const keep = (chunk) => {
      output += chunk
    }
    child.stdout?.setEncoding("utf8").on("data", keep)
    child.stderr?.setEncoding("utf8").on("data", keep)
    child.once("error", reject)
    child.once("close", (code) => resolve({ code: code ?? 1, output }))
  })

export const piped = ["ignore", "pipe", "pipe"]

/** The packages' own command-line programs, run with this Node. */
export const tool = {
  tsc: at("node_modules/typescript/bin/tsc"),
  effect: at("node_modules/@effect/tsgo/dist/effect-tsgo.cjs"),
  oxlint: at("node_modules/oxlint/bin/oxlint"),
  dprint: at("node_modules/dprint/bin.cjs"),
  knip: at("node_modules/knip/bin/knip.js"),
  vitest: at("node_modules/vitest/vitest.mjs")
}

/** Milliseconds between two looks at whether npm is still there. */
const lookEvery = 250

/** A killed npm cannot tell its script to stop, so a script of npm's follows it. */
export const followNpm = () => {
  if (process.env.npm_lifecycle_event === undefined) return
  const parent = process.ppid
  const looking = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(looking)
    process.kill(process.pid, "SIGTERM")
  }, lookEvery)
  looking.unref()
}

/** Exit codes, as shells say them. */
const codes = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 }

/** Milliseconds in which a second signal is the first once more: npm passes on what the terminal sent to both. */
const sameSignal = 1_000

/** Milliseconds that a program has to end in order after it was asked to. */
const patience = 10_000

/** Signals everything that the program has started; it may all be gone already. */
const signalGroup = (child, signal) => {
  try {
    process.kill(-child.pid, signal)
  } catch {
    child.kill(signal)
  }
}

/**
 * Runs a program that must not be left behind, in a process group of its own:
 * Ctrl-C reaches only this process, which passes it on, waits until the program
 * has tidied up, and kills what is left at a deadline or at a second signal.
 * Then this process ends. `onStart` gets the program's process id.
 */
export const runWhole = (command, args, options, onStart) =>
  new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, detached: process.platform !== "win32", ...options })
    if (child.pid !== undefined) onStart(child.pid)
    let received
    let since = 0
    let deadline
    const onSignal = (signal) => {
      if (received !== undefined) {
        if (performance.now() - since > sameSignal) signalGroup(child, "SIGKILL")
        return
      }
      received = signal
      since = performance.now()
      signalGroup(child, signal)
      deadline = setTimeout(() => signalGroup(child, "SIGKILL"), patience)
    }
    for (const signal of Object.keys(codes)) process.on(signal, onSignal)
    const settle = (then) => {
      clearTimeout(deadline)
      for (const signal of Object.keys(codes)) process.off(signal, onSignal)
      then()
    }
    child.once("error", (error) => settle(() => reject(error)))
    child.once("close", (code) =>
      settle(() => {
        // Whatever it has started goes with it: nothing may change node_modules afterwards.
        if (child.pid !== undefined) signalGroup(child, "SIGKILL")
        if (received !== undefined) process.exit(codes[received])
        resolve(code ?? 1)
      }))
  })
