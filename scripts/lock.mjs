/**
 * One process at a time works on a clone's packages and build; the others wait.
 * The lock is a file that names its holder. It also holds while a program that
 * the holder has started is alive, so that nobody begins beside what a killed
 * process left behind.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { at, say } from "./run.mjs"

/** Not for npm, which leaves names with a dot alone, and gone with the packages. */
export const ownFolder = "node_modules/.stoa"

const file = at(ownFolder, "lock")

/** Milliseconds between two looks, between two signs of life, and until a holder without a sign is given up. */
const lookEvery = 100
const beatEvery = 1_000
const silentFor = 10 * 60_000

const isAlive = (pid) => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === "EPERM"
  }
}

/** Undefined when there is no lock. */
const holder = () => {
  try {
    const text = fs.readFileSync(file, "utf8")
    const pids = text.split(" ").map(Number).filter((pid) => pid > 0)
    const silence = Date.now() - fs.statSync(file).mtimeMs
    // An empty one is being written just now.
    const isHeld = pids.length === 0 ? silence < beatEvery : silence < silentFor && pids.some(isAlive)
    return { text, pid: pids[0], isHeld }
  } catch (error) {
    if (error.code === "ENOENT") return undefined
    throw error
  }
}

/** Takes the lock of a holder that is gone out of the way; somebody else may have done so, and hold a new one. */
const clear = ({ text }) => {
  const aside = `${file}.${process.pid}`
  try {
    fs.renameSync(file, aside)
    if (fs.readFileSync(aside, "utf8") !== text) fs.linkSync(aside, file)
  } catch (error) {
    if (error.code !== "ENOENT" && error.code !== "EEXIST") throw error
  } finally {
    fs.rmSync(aside, { force: true })
  }
}

const take = () => {
  fs.mkdirSync(path.dirname(file), { recursive: true })
  try {
    fs.writeFileSync(file, String(process.pid), { flag: "wx" })
    return true
  } catch (error) {
    if (error.code === "EEXIST") return false
    throw error
  }
}

/** `work` gets a function that names a program which must be gone, too, before the lock is free. */
export const locked = async (work) => {
  let hasSaid = false
  while (!take()) {
    const now = holder()
    if (now === undefined) continue
    if (!now.isHeld) {
      clear(now)
      continue
    }
    if (!hasSaid && now.pid !== undefined) say(`Another process (${now.pid}) prepares this clone; waiting for it ...`)
    hasSaid = true
    await sleep(lookEvery)
  }
  const beat = setInterval(() => {
    // Gone only when somebody has deleted the whole folder.
    if (fs.existsSync(file)) fs.utimesSync(file, new Date(), new Date())
  }, beatEvery)
  const release = () => {
    clearInterval(beat)
    fs.rmSync(file, { force: true })
  }
  process.once("exit", release)
  try {
    return await work((pid) => fs.writeFileSync(file, `${process.pid} ${pid}`))
  } finally {
    process.off("exit", release)
    release()
  }
}
