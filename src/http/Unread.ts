/**
 * Cuts connections whose clients do not read: what was written to a socket and
 * has not left the process is memory that somebody else pays for.
 */
import { Predicate } from "effect"
import type { Socket } from "node:net"

/** Seconds without progress after which a connection is cut. */
export const patienceSeconds = 30

/** Fewer bytes than this, read in all that time, are no progress. */
const leastProgress = 1_024

/** Most bytes that may wait in all sockets of the process together, 256 MiB; beyond it, the slowest readers are cut first. */
const maxUnread = 256 * 1024 * 1024

/** Seconds that the other side may take to close its half of a connection whose last byte has left. */
const goodbyeSeconds = 2

interface Handle {
  readonly bytesWritten: number
  readonly writeQueueSize: number
}

const isHandle = (u: unknown): u is Handle =>
  Predicate.hasProperty(u, "bytesWritten") && typeof u.bytesWritten === "number" &&
  Predicate.hasProperty(u, "writeQueueSize") && typeof u.writeQueueSize === "number"

/**
 * Bytes that the operating system has taken. Node's own count holds what was
 * handed to libuv, where one large write waits as a whole until its last byte
 * has gone; without libuv's numbers, a shrinking queue has to do.
 */
const takenOf = (socket: Socket): number =>
  Predicate.hasProperty(socket, "_handle") && isHandle(socket._handle)
    ? socket._handle.bytesWritten - socket._handle.writeQueueSize
    : -socket.writableLength

interface Slow {
  /** Bytes taken when progress was last seen. */
  taken: number
  /** Seconds since then. */
  seconds: number
}

/** `sweep` is called every second with all sockets that are open. `cut` is called at most once for a socket. */
export const makeSweep = (cut: (socket: Socket) => void, budget: number = maxUnread) => {
  const slow = new Map<Socket, Slow>()

  const isPatienceOver = (socket: Socket, unread: number): boolean => {
    const taken = takenOf(socket)
    const before = slow.get(socket)
    if (before === undefined || (unread > 0 && taken - before.taken >= leastProgress)) {
      slow.set(socket, { taken, seconds: 0 })
      return false
    }
    return ++before.seconds >= (unread > 0 ? patienceSeconds : goodbyeSeconds)
  }

  const cutLargest = (total: number) => {
    const bySlowness = [...slow.entries()].filter(([socket]) => !socket.destroyed).toSorted(([a, left], [b, right]) =>
      right.seconds - left.seconds || b.writableLength - a.writableLength
    )
    let left = total
    for (const [socket] of bySlowness) {
      if (left <= budget) return
      left -= socket.writableLength
      slow.delete(socket)
      cut(socket)
    }
  }

  return {
    sweep: (...groups: ReadonlyArray<Iterable<Socket>>): void => {
      let total = 0
      for (const sockets of groups) {
        for (const socket of sockets) {
          const unread = socket.writableLength
          if (unread === 0 && !socket.writableEnded) {
            if (slow.size > 0) slow.delete(socket)
          } else if (isPatienceOver(socket, unread)) {
            slow.delete(socket)
            cut(socket)
          } else {
            total += unread
          }
        }
      }
      if (total > budget) cutLargest(total)
    },
    forget: (socket: Socket): void => {
      slow.delete(socket)
    }
  }
}
