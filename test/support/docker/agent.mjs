// The first process of a container of the fake engine: runs programs in it, until its input ends.
import { spawn } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { createServer } from "node:net"

const frame = (kind, bytes) => {
  const header = Buffer.alloc(8)
  header[0] = kind
  header.writeUInt32BE(bytes.length, 4)
  return Buffer.concat([header, bytes])
}

/** What has ended counts no more: an engine's own first process takes it away. */
const isLiving = (pid) => {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)[0] !== "Z"
  } catch {
    return false
  }
}

const run = (socket, { id, cmd, cwd, env, uid, gid }) => {
  const child = spawn(cmd[0], cmd.slice(1), { cwd, env, ...(uid !== undefined && { uid, gid }) })
  child.on("error", () => socket.destroy())
  for (const [kind, stream] of [[1, child.stdout], [2, child.stderr]]) {
    stream.on("data", (bytes) => {
      if (socket.destroyed || socket.write(frame(kind, bytes))) return
      stream.pause()
      socket.once("drain", () => stream.resume())
    })
  }
  child.stdin.on("error", () => {})
  socket.on("error", () => {})
  socket.on("data", (bytes) => child.stdin.write(bytes))
  socket.on("end", () => child.stdin.end())
  const numbers = { SIGHUP: 1, SIGINT: 2, SIGABRT: 6, SIGKILL: 9, SIGSEGV: 11, SIGTERM: 15 }
  child.on("exit", (code, signal) => process.stdout.write(`${JSON.stringify({ id, code: code ?? 128 + numbers[signal] })}\n`))
  child.on("close", () => socket.end())
}

createServer({ allowHalfOpen: true }, (socket) => {
  let head = Buffer.alloc(0)
  const read = (bytes) => {
    head = Buffer.concat([head, bytes])
    const end = head.indexOf(10)
    if (end < 0) return
    socket.off("data", read)
    const asked = JSON.parse(head.subarray(0, end).toString())
    const rest = head.subarray(end + 1)
    if (asked.top === true) return socket.end(JSON.stringify(readdirSync("/proc").filter((name) => /^\d+$/.test(name) && isLiving(name))))
    run(socket, asked)
    if (rest.length > 0) socket.emit("data", rest)
  }
  socket.on("data", read)
}).listen("/run/agent/socket", () => process.stdout.write("ready\n"))

process.stdin.on("end", () => process.exit(0))
process.stdin.resume()
