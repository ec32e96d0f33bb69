/** The built server in a process of its own, over real HTTP. */
import { type ChildProcess, spawn } from "node:child_process"
import { mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import type { AgentEvent } from "../../src/domain/Event.ts"
import { checkAnswer, checkEvent } from "./agentservice/Checked.ts"
import { patience } from "./Patience.ts"

const main = resolve(import.meta.dirname, "../../dist/bin/stoa.js")

/** Longest wait for a server to say where it listens, or to go away, in milliseconds. */
const longest = patience(60_000)

export interface Server {
  readonly url: string
  readonly pid: number
  /** What it has printed, both streams. */
  readonly output: () => string
  readonly kill: (signal: NodeJS.Signals) => Promise<number | null>
  readonly exited: Promise<number | null>
}

const cleanEnv = (env: Record<string, string>): NodeJS.ProcessEnv => ({
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("STOA_"))),
  ...env
})

/** Runs a command of the built program to its end. */
export const stoa = (
  args: ReadonlyArray<string>,
  options: { readonly env?: Record<string, string>; readonly cwd?: string } = {}
) =>
  new Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }>((done, fail) => {
    const child = spawn(process.execPath, [main, ...args], {
      env: cleanEnv(options.env ?? {}),
      cwd: options.cwd ?? tmpdir(),
      stdio: ["ignore", "pipe", "pipe"]
    })
    let stdout = ""
    let stderr = ""
    const timer = setTimeout(() => child.kill("SIGKILL"), longest)
    child.stdout.on("data", (chunk) => stdout += chunk)
    child.stderr.on("data", (chunk) => stderr += chunk)
    child.on("error", fail)
    child.on("close", (code) => {
      clearTimeout(timer)
      done({ code, stdout, stderr })
    })
  })

const running = new Set<ChildProcess>()
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL")
})

/** Resolves when it listens; rejects with what it printed when it ends before. */
export const startServer = (args: ReadonlyArray<string>, options: StartOptions = {}): Promise<Server> =>
  start(
    [
      ...(options.descriptors === undefined ? [] : ["sh", "-c", `ulimit -n ${options.descriptors}; exec "$0" "$@"`]),
      process.execPath,
      main,
      "serve",
      "--port",
      String(options.port ?? 0),
      ...args
    ],
    options
  )

/** As before a person: a terminal reads standard error; standard output goes to the file `stdout` in the data folder. */
export const startAtTerminal = ([flag, folder, ...args]: ReadonlyArray<string>): Promise<Server> => {
  const words = [process.execPath, main, "serve", "--port", "0", flag, folder, ...args]
  const command = `exec ${words.map((word) => `'${word}'`).join(" ")} >'${folder}/stdout'`
  return start(
    process.platform === "darwin"
      ? ["script", "-q", "/dev/null", "sh", "-c", command]
      : ["script", "-qefc", command, "/dev/null"],
    {}
  )
}

/** A program of the sources, once it listens. */
export const startProgram = (file: string, ...words: ReadonlyArray<string>): Promise<Server> =>
  start([process.execPath, "--import", "tsx", file, ...words], { cwd: resolve(import.meta.dirname, "../..") })

/** The program of a project, once it listens. */
export const startProject = (folder: string, env: Record<string, string>): Promise<Server> =>
  start([process.execPath, "--import", "tsx", "app.ts", "serve", "--port", "0"], { cwd: folder, env })

interface StartOptions {
  readonly env?: Record<string, string>
  readonly cwd?: string
  /** A free one without it. */
  readonly port?: number
  /** Files and sockets that it may have open. */
  readonly descriptors?: number | undefined
}

const start = ([program, ...words]: ReadonlyArray<string>, options: StartOptions): Promise<Server> =>
  new Promise((done, fail) => {
    const child = spawn(program!, words, {
      env: cleanEnv(options.env ?? {}),
      cwd: options.cwd ?? tmpdir(),
      stdio: ["ignore", "pipe", "pipe"]
    })
    running.add(child)
    let output = ""
    const exited = new Promise<number | null>((end) =>
      child.on("close", (code) => {
        running.delete(child)
        end(code)
      })
    )
    const timer = setTimeout(() => {
      child.kill("SIGKILL")
      fail(new Error(`The server did not start:\n${output}`))
    }, longest)
    void exited.then((code) => {
      clearTimeout(timer)
      fail(new Error(`The server ended with ${code}:\n${output}`))
    })
    const read = (chunk: Buffer) => {
      output += chunk.toString()
      const url = /listens on (http:\/\/[^\s"]+)/.exec(output)?.[1]
      if (url === undefined) return
      clearTimeout(timer)
      done({
        url,
        pid: child.pid!,
        output: () => output,
        exited,
        kill: (signal) => {
          child.kill(signal)
          return exited
        }
      })
    }
    child.stdout.on("data", read)
    child.stderr.on("data", read)
  })

/** The admin key of a server that has made its first start in this folder. */
export const adminKey = async (folder: string) => (await readFile(join(folder, "admin.key"), "utf8")).trim()

export const temporaryFolder = async () => {
  const path = await mkdtemp(join(tmpdir(), "stoa-test-"))
  return { path, remove: () => rm(path, { recursive: true, force: true }) }
}

/** A client as somebody would write it by hand: fetch, JSON, a user. */
export const clientOf = (url: string, user = "ada") => {
  const headers = { "x-user-id": user, "content-type": "application/json" }
  const call = async (method: string, path: string, body?: unknown) => {
    const response = await fetch(url + path, {
      method,
      headers,
      ...(body !== undefined && { body: JSON.stringify(body) })
    })
    const text = await response.text()
    const json = text === "" ? undefined : safeJson(text)
    if (response.status === 200) checkAnswer(path, json)
    return { status: response.status, headers: response.headers, text, json }
  }
  const must = async (method: string, path: string, body?: unknown) => {
    const answer = await call(method, path, body)
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`)
    return answer.json
  }
  return {
    headers,
    call,
    must,
    /** An agent and a session that talks to a demo model. */
    converse: async (model = "demo-script", parameters: object = {}) => {
      const { agent_id } = await must("POST", "/agent/", { name: "Friday" })
      const { credential_id } = await must("POST", "/credential/", { data: { type: "demo_credential" } })
      const { session_id } = await must("POST", "/sessions/", {
        agent_id,
        chat_model_config: { type: "demo_credential", credential_id, model, parameters }
      })
      return { agent_id: agent_id as string, credential_id: credential_id as string, session_id: session_id as string }
    },
    stream: (path: string, init: RequestInit = {}) =>
      stream(url + path, { ...init, headers: { ...headers, ...init.headers } })
  }
}

/** Any JSON, looked into by assertions that fail where it is not what they expect; undefined for anything else. */
// oxlint-disable-next-line typescript/no-explicit-any
export const safeJson = (text: string): any => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

export interface Frame {
  readonly seq: number
  readonly event: AgentEvent
}

/** Reads server-sent events until they end, `until` says enough, or the connection breaks. */
export const stream = async (url: string, init: RequestInit) => {
  const leave = new AbortController()
  const response = await fetch(url, { ...init, signal: leave.signal })
  const frames: Array<Frame> = []
  const comments: Array<string> = []
  let broken = false
  const decoder = new TextDecoder()
  let rest = ""
  const reader = response.body!.getReader()
  const hear = (line: string) => {
    if (!line.startsWith(":")) return false
    comments.push(line.slice(1).trim())
    return true
  }
  const next = async (): Promise<boolean> => {
    try {
      const { done, value } = await reader.read()
      if (done) return false
      rest += decoder.decode(value, { stream: true })
    } catch {
      broken = true
      return false
    }
    for (let end = rest.indexOf("\n\n"); end >= 0; end = rest.indexOf("\n\n")) {
      const lines = rest.slice(0, end).split("\n")
      rest = rest.slice(end + 2)
      const [id, data] = lines.filter((line) => !hear(line))
      const event = JSON.parse(data!.slice(6)) as AgentEvent
      checkEvent(event)
      frames.push({ seq: Number(id!.slice(4)), event })
    }
    // Comments are lines of their own, before a frame and after the last.
    while (rest.startsWith(":") && rest.includes("\n")) {
      const end = rest.indexOf("\n")
      hear(rest.slice(0, end))
      rest = rest.slice(end + 1)
    }
    return true
  }
  return {
    response,
    frames,
    comments,
    broken: () => broken,
    leave: () => leave.abort(),
    /** Reads on until the condition holds or nothing more comes. */
    until: async (enough: (frame: Frame | undefined) => boolean) => {
      while (!enough(frames.at(-1)) && await next());
      return frames
    },
    end: async () => {
      while (await next());
      return frames
    }
  }
}
