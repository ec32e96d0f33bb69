/** The programs under `examples`, started as their users would. */
import { spawn } from "node:child_process"
import { resolve } from "node:path"
import { patience } from "./Patience.ts"

const root = resolve(import.meta.dirname, "../..")

/** Longest wait for the program to listen, in milliseconds. */
export const longest = patience(60_000)

/** An example, from its sources, as somebody would start it. */
export const startExample = (name: string, ...words: ReadonlyArray<string>) =>
  new Promise<{ readonly url: string; readonly output: () => string; readonly stop: () => Promise<number | null> }>(
    (done, fail) => {
      const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("STOA_")))
      const program = ["--import", "tsx", `examples/${name}/main.ts`, ...words]
      const child = spawn(process.execPath, program, { cwd: root, env, stdio: ["ignore", "pipe", "pipe"] })
      let output = ""
      const exited = new Promise<number | null>((end) => child.on("close", end))
      const timer = setTimeout(() => child.kill("SIGKILL"), longest)
      void exited.then(() => {
        clearTimeout(timer)
        fail(new Error(output))
      })
      const read = (chunk: Buffer) => {
        output += chunk.toString()
        const url = /listens on (http:\/\/[^\s"]+)/.exec(output)?.[1]
        if (url === undefined) return
        clearTimeout(timer)
        done({
          url,
          output: () => output,
          stop: () => {
            child.kill("SIGTERM")
            return exited
          }
        })
      }
      child.stdout.on("data", read)
      child.stderr.on("data", read)
    }
  )
