// The first process of a sandbox of the fake service: runs programs in it, until its input ends.
import { spawn } from "node:child_process"
import { createServer } from "node:net"

const frame = (kind, bytes) => {
  const header = Buffer.alloc(5)
  header[0] = kind
  header.writeUInt32BE(bytes.length, 1)
  return Buffer.concat([header, bytes])
}

const run = (socket, { cmd, args, cwd, envs, uid }) => {
  const child = spawn(cmd, args, { cwd, env: { PATH: process.env.PATH, HOME: "/home/user", USER: "user", ...envs }, ...(uid !== undefined && { uid, gid: uid }) })
  child.on("error", (error) => socket.end(frame(5, Buffer.from(error.message))))
  child.on("spawn", () => socket.write(frame(3, Buffer.from(String(child.pid)))))
  for (const [kind, stream] of [[1, child.stdout], [2, child.stderr]]) {
    stream.on("data", (bytes) => {
      if (socket.destroyed || socket.write(frame(kind, bytes))) return
      stream.pause()
      socket.once("drain", () => stream.resume())
    })
  }
  child.stdin.on("error", () => {})
  socket.on("error", () => {})
  // As in a real sandbox the program goes on when nobody listens any more.
  socket.on("close", () => {
    child.stdout.resume()
    child.stderr.resume()
  })
  socket.on("data", (bytes) => child.stdin.write(bytes))
  socket.on("end", () => child.stdin.end())
  let end
  child.on("exit", (code, signal) => (end = { code, signal }))
  child.on("close", () => socket.end(frame(4, Buffer.from(JSON.stringify(end)))))
  // What it has left running may hold its output open.
  child.on("exit", () => setTimeout(() => socket.destroyed || socket.end(frame(4, Buffer.from(JSON.stringify(end)))), 100).unref())
}

createServer({ allowHalfOpen: true }, (socket) => {
  let head = Buffer.alloc(0)
  const read = (bytes) => {
    head = Buffer.concat([head, bytes])
    const end = head.indexOf(10)
    if (end < 0) return
    socket.off("data", read)
    const rest = head.subarray(end + 1)
    run(socket, JSON.parse(head.subarray(0, end).toString()))
    if (rest.length > 0) socket.emit("data", rest)
  }
  socket.on("data", read)
}).listen("/run/agent/socket", () => process.stdout.write("ready\n"))

process.stdin.on("end", () => process.exit(0))
process.stdin.resume()
