/**
 * Brings node_modules to what the lock file names. npm's own account of what is
 * there is not believed: an install that was interrupted may have left it whole
 * beside packages that are not. So a stamp is written once everything is there.
 */
import { createHash } from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"
import { locked, ownFolder } from "./lock.mjs"
import { at, json, read, runWhole, say, seconds, stop } from "./run.mjs"

const stampFile = `${ownFolder}/installed`

/** What npm had put there when it was set aside. */
const aside = `${ownFolder}/aside`

const kinds = ["dependencies", "devDependencies", "optionalDependencies"]
const entries = (record = {}) => JSON.stringify(Object.entries(record).toSorted())

/** Each package.json of this repository, by its name in the lock file. */
const ours = () => [["", json("package.json")], ["dashboard", json("dashboard/package.json") ?? {}]]

/** The lock file is that of each package.json, so that nothing has to be written to it. */
const isLocked = () => {
  const locks = json("package-lock.json")?.packages
  return locks !== undefined &&
    ours().every(([name, wanted]) => kinds.every((kind) => entries(locks[name]?.[kind]) === entries(wanted[kind])))
}

/** Names what must be installed, and for which Node and machine. */
const stampOf = () => {
  const wanted = ours().flatMap(([, named]) => kinds.map((kind) => entries(named[kind])))
  const hash = createHash("sha256").update(wanted.join("\n"))
  if (fs.existsSync(at("package-lock.json"))) hash.update(read("package-lock.json"))
  const [major] = process.versions.node.split(".")
  return `${hash.digest("hex")} node-${major} ${process.platform}-${process.arch}`
}

const lockedPackages = () => Object.entries(json("package-lock.json")?.packages ?? {}).filter(([name]) => name !== "")

/** npm may leave these out: they are for other machines, or did not work on this one. */
const isOptional = ({ devOptional, optional }) => optional === true || devOptional === true

/** Whether the list of a package.json (`linux`, `!win32`) names this machine. */
const names = (list, value) =>
  list === undefined ||
  (list.some((name) => !name.startsWith("!")) ? list.includes(value) : !list.includes(`!${value}`))

const libc = () =>
  process.platform !== "linux" ? undefined : process.report.getReport().header.glibcVersionRuntime ? "glibc" : "musl"

/** A binary that a package needs here. What only such a binary of another machine needs says nothing of machines itself. */
const isOfThisMachine = ({ cpu, libc: libcs, os }) =>
  (os !== undefined || cpu !== undefined) && names(os, process.platform) && names(cpu, process.arch) &&
  (libcs === undefined || names(libcs, libc()))

const versionOf = (name) => {
  try {
    return json(`${name}/package.json`)?.version
  } catch {
    return undefined
  }
}

/** Packages that are not there, or not the version that the lock file names. */
const missing = (isWanted) =>
  lockedPackages()
    .filter(([name, entry]) => isWanted(entry) && entry.link !== true && versionOf(name) !== entry.version)
    .map(([name]) => name)

/** Looked at before every start, so only the stamp and the packages' folders. */
const isInstalled = () =>
  fs.existsSync(at(stampFile)) && read(stampFile) === stampOf() &&
  lockedPackages().every(([name, entry]) => isOptional(entry) || fs.existsSync(at(name, "package.json")))

/** All that is not ours in a folder. */
const contents = (folder) =>
  fs.existsSync(at(folder)) ? fs.readdirSync(at(folder)).filter((name) => name !== path.basename(ownFolder)) : []

const move = (from, to) => {
  fs.mkdirSync(at(to), { recursive: true })
  for (const name of contents(from)) {
    fs.rmSync(at(to, name), { recursive: true, force: true })
    fs.renameSync(at(from, name), at(to, name))
  }
}

const npm = (onStart) => {
  // Under npm its own path is known; otherwise it is the npm on the PATH.
  // What the lock file says is not changed by an install: a clone stays as it was pulled.
  // Warnings are about what others have packed: nobody who starts Stoa can do anything about them.
  const args = [
    "install",
    "--no-audit",
    "--no-fund",
    "--loglevel=error",
    "--include=dev",
    ...isLocked() ? ["--no-save"] : []
  ]
  const own = process.env.npm_execpath ?? ""
  const stdio = ["ignore", 2, 2]
  return /npm-cli\.c?js$/.test(own)
    ? runWhole(process.execPath, [own, ...args], { stdio }, onStart)
    : runWhole("npm", args, { stdio, shell: process.platform === "win32" }, onStart)
}

const cure = "Run the same command again; if that fails too, delete the folder node_modules first."

/** From nothing; what was there comes back if that fails, since a part may be better than nothing. */
const installAfresh = async (onStart) => {
  move("node_modules", aside)
  if (await npm(onStart) !== 0) {
    move(aside, "node_modules")
    stop(`The packages could not be installed: see npm's message above. ${cure}`)
  }
}

const installLocked = async (onStart) => {
  if (isInstalled()) return
  const since = performance.now()
  say("Installing packages ...")
  fs.rmSync(at(stampFile), { force: true })
  const hadPackages = contents("node_modules").length > 0
  const isWhole = await npm(onStart) === 0 &&
    missing((entry) => !isOptional(entry) || isOfThisMachine(entry)).length === 0
  if (!isWhole && hadPackages) {
    say("What an earlier install left behind is in the way; installing afresh ...")
    await installAfresh(onStart)
  } else if (!isWhole && missing((entry) => !isOptional(entry)).length > 0) {
    stop(`The packages could not be installed: see npm's message above. ${cure}`)
  }
  const [lost] = missing((entry) => !isOptional(entry))
  if (lost !== undefined) stop(`npm did not install ${lost}. ${cure}`)
  fs.rmSync(at(aside), { recursive: true, force: true })
  fs.writeFileSync(at(stampFile), stampOf())
  say(`Installed in ${seconds(since)}.`)
}

const checkNode = () => {
  const [major, minor] = process.versions.node.split(".").map(Number)
  const [, needsMajor, needsMinor] = /(\d+)\.(\d+)/.exec(json("package.json").engines.node).map(Number)
  if (major < needsMajor || (major === needsMajor && minor < needsMinor)) {
    stop(`Stoa needs Node ${needsMajor}.${needsMinor} or newer; this is ${process.versions.node}.`)
  }
}

/** Installs the packages if any is missing or not the version that is locked. */
export const install = async () => {
  checkNode()
  if (!isInstalled()) await locked(installLocked)
}
