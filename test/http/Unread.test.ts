import { assert, describe, it } from "@effect/vitest"
import type { Socket } from "node:net"
import { makeSweep, patienceSeconds } from "../../src/http/Unread.ts"

/** A socket as far as a sweep looks at it: `taken` bytes have gone, `unread` wait. */
const fake = (unread: number) => {
  const state = { taken: 0, writableLength: unread, writableEnded: false, destroyed: false }
  const socket = {
    get _handle() {
      return { bytesWritten: state.taken + state.writableLength, writeQueueSize: state.writableLength }
    },
    get writableLength() {
      return state.writableLength
    },
    get writableEnded() {
      return state.writableEnded
    },
    get destroyed() {
      return state.destroyed
    }
  } as unknown as Socket
  return {
    state,
    socket,
    read: (bytes: number) => {
      state.taken += bytes
      state.writableLength -= bytes
    }
  }
}

const sweeping = (budget?: number) => {
  const cut: Array<Socket> = []
  const { sweep } = makeSweep((socket) => cut.push(socket), budget)
  return {
    cut,
    sweep: (times: number, ...sockets: ReadonlyArray<Socket>) => {
      for (let i = 0; i < times; i++) sweep(sockets.filter((socket) => !cut.includes(socket)))
    }
  }
}

describe("A connection", () => {
  it("is cut when nothing of what waits is read for 30 seconds, and not before", () => {
    const { cut, sweep } = sweeping()
    const { socket } = fake(10)
    sweep(patienceSeconds, socket)
    assert.deepStrictEqual(cut, [])
    sweep(1, socket)
    assert.deepStrictEqual(cut, [socket])
  })

  it("stays while it reads, also when one large write takes minutes and more is written meanwhile", () => {
    const { cut, sweep } = sweeping()
    const slow = fake(100_000_000)
    for (let i = 0; i < 20; i++) {
      sweep(patienceSeconds - 1, slow.socket)
      slow.read(2_000)
      slow.state.writableLength += 10_000
      sweep(1, slow.socket)
    }
    assert.deepStrictEqual(cut, [])
  })

  it("is cut when it reads only to look alive", () => {
    const { cut, sweep } = sweeping()
    const dripping = fake(100_000)
    for (let i = 0; i <= patienceSeconds; i++) {
      dripping.read(1)
      sweep(1, dripping.socket)
    }
    assert.deepStrictEqual(cut, [dripping.socket])
  })

  it("may say nothing for ever when nothing waits for it", () => {
    const { cut, sweep } = sweeping()
    sweep(1_000, fake(0).socket)
    assert.deepStrictEqual(cut, [])
  })

  it("is cut when the other side never closes what has been ended", () => {
    const { cut, sweep } = sweeping()
    const ended = fake(0)
    ended.state.writableEnded = true
    sweep(2, ended.socket)
    assert.deepStrictEqual(cut, [])
    sweep(1, ended.socket)
    assert.deepStrictEqual(cut, [ended.socket])
  })

  it("gives way when all of them hold too much: first who has read nothing longest, then who holds most", () => {
    const { cut, sweep } = sweeping(1_000)
    const [old, large, small] = [fake(200), fake(700), fake(300)]
    sweep(5, old.socket)
    sweep(1, old.socket, large.socket, small.socket)
    assert.deepStrictEqual(cut, [old.socket])
    const larger = fake(800)
    sweep(1, larger.socket, small.socket)
    assert.deepStrictEqual(cut, [old.socket, small.socket])
  })
})
