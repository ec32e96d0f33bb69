/** Takes apart what a program prints on both streams: each piece comes with a header of eight bytes that says which and how long. */
import type { Socket } from "node:net"
import { PassThrough } from "node:stream"

const headerBytes = 8
const streams = ["stdin", "stdout", "stderr"] as const

/** Bytes of each stream that may wait to be read before nothing more is taken from the connection. */
const highWaterMark = 64 * 1024

/** Both streams end with the connection, also where it is cut or says what no engine says. */
export const demultiplexed = (socket: Socket): { readonly stdout: PassThrough; readonly stderr: PassThrough } => {
  const out = { stdout: new PassThrough({ highWaterMark }), stderr: new PassThrough({ highWaterMark }) }
  let held: Buffer = Buffer.alloc(0)
  /** What is left of the piece under way, and where it goes; undefined goes nowhere. */
  let left = 0
  let to: PassThrough | undefined
  let waiting = 0

  const wait = (stream: PassThrough) => {
    waiting++
    socket.pause()
    stream.once("drain", () => {
      if (--waiting === 0) socket.resume()
    })
  }

  const end = () => {
    out.stdout.end()
    out.stderr.end()
  }

  socket.on("data", (piece: Buffer) => {
    let bytes = held.length === 0 ? piece : Buffer.concat([held, piece])
    held = Buffer.alloc(0)
    while (bytes.length > 0) {
      if (left === 0) {
        if (bytes.length < headerBytes) {
          held = bytes
          return
        }
        const kind = streams[bytes[0]!]
        if (kind === undefined) return void socket.destroy()
        to = kind === "stdin" ? undefined : out[kind]
        left = bytes.readUInt32BE(4)
        bytes = bytes.subarray(headerBytes)
        continue
      }
      const part = bytes.subarray(0, left)
      left -= part.length
      bytes = bytes.subarray(part.length)
      if (to !== undefined && !to.write(part) && to.listenerCount("drain") === 0) wait(to)
    }
  })
  socket.on("end", end)
  socket.on("close", end)
  return out
}
