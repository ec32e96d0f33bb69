/**
 * The package of the last build in a project of its own, in each Node that it is for: `npm run test:nodes`. The project is
 * what `stoa init` makes, installed from the registry as anybody would; so are the Nodes. `-- 22 24` tries these only.
 */
import { spawn } from "node:child_process"
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { piped, root, run, say, seconds, stop } from "./run.mjs"

const given = process.argv.slice(2)
const majors = given.length > 0 ? given : ["20", "22", "24"]

/** Milliseconds that a server has to listen, and that it has to end in order, also on a machine with other work. */
const startTime = 400_000

const work = mkdtempSync(join(tmpdir(), "stoa-nodes-"))
const project = join(work, "demo")
const platform = `node-${process.platform === "win32" ? "win" : process.platform}-${process.arch}`

const must = async (what, cwd, command, args, env = process.env) => {
  const { code, output } = await run(command, args, { cwd, env, stdio: piped })
  if (code !== 0) throw new Error(`${what} failed:\n${output}`)
  return output
}

const npmInstall = (cwd, ...words) =>
  must(`npm install ${words.join(" ")}`, cwd, "npm", [
    "install",
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    ...words
  ])

/** A server of the project, once it listens; `end` answers its exit code. */
const serve = (env) =>
  new Promise((done, fail) => {
    const child = spawn("node", ["--import", "tsx", "app.ts", "serve", "--port", "0"], {
      cwd: project,
      env,
      stdio: piped
    })
    let output = ""
    const ended = new Promise((end) => child.once("close", end))
    const timer = setTimeout(() => child.kill("SIGKILL"), startTime)
    ended.then(() => {
      clearTimeout(timer)
      fail(new Error(`The server ended, or did not listen in time:\n${output}`))
    })
    const hear = (chunk) => {
      output += chunk
      const url = /listens on (http:\/\/[^\s"]+)/.exec(output)?.[1]
      if (url === undefined) return
      clearTimeout(timer)
      done({
        url,
        end: () => {
          child.kill("SIGTERM")
          const late = setTimeout(() => child.kill("SIGKILL"), startTime)
          return ended.finally(() => clearTimeout(late))
        }
      })
    }
    child.stdout.on("data", hear)
    child.stderr.on("data", hear)
  })

/** Everything that somebody does with a new project. */
const use = async (env) => {
  await must("npm run check", project, "npm", ["run", "check"], env)
  await must("npm test", project, "npm", ["test"], env)
  const { end, url } = await serve(env)
  let said
  try {
    said = await must("chat", project, "npm", ["run", "chat", "--", "helper", "hello there", "--url", url], env)
  } finally {
    const code = await end()
    if (code !== 0) say(`The server ended with ${code}.`)
  }
  if (!said.includes("hello there")) throw new Error(`The agent said something else:\n${said}`)
}

const failed = []
try {
  if (!existsSync(join(root, "dist/bin/stoa.js"))) stop("There is no build: npm run build")
  await must("npm pack", root, "npm", ["pack", "--ignore-scripts", "--silent", "--pack-destination", work])
  const packed = readdirSync(work).find((file) => file.endsWith(".tgz"))
  await must("stoa init", work, process.execPath, [
    join(root, "dist/bin/stoa.js"),
    "init",
    "demo",
    "--package",
    `file:../${packed}`
  ])
  const since = performance.now()
  await npmInstall(project)
  say(`Installed the project in ${seconds(since)}.`)
  for (const major of majors) {
    const began = performance.now()
    const folder = join(work, `node-${major}`)
    try {
      await npmInstall(work, "--prefix", folder, "--no-save", `${platform}@${major}`)
      const bin = join(folder, "node_modules", platform, "bin")
      const env = { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` }
      const version = (await must("node --version", work, "node", ["--version"], env)).trim()
      await use(env)
      say(`ok      ${version}: types, definitions, tests, a server and a chat (${seconds(began)})`)
    } catch (error) {
      failed.push(major)
      say(`FAILED  Node ${major}: ${error.message}`)
    }
  }
} finally {
  rmSync(work, { recursive: true, force: true })
}
process.stdout.write(`${majors.length - failed.length} passed, ${failed.length} failed\n`)
process.exitCode = failed.length > 0 ? 1 : 0
