import { Context } from "effect"

const hexOf = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"))

/** Random bytes, asked for 4 KiB at a time: one system call for hundreds of ids. */
const randomBytes = () => {
  const pool = new Uint8Array(4096)
  let next = pool.length
  return (): number => {
    if (next === pool.length) {
      globalThis.crypto.getRandomValues(pool)
      next = 0
    }
    return pool[next++]!
  }
}

/** UUIDv7 without dashes: 48 bits of time, a count of 12 that begins anew with each millisecond, then 62 random ones. */
const uuid7s = (random: () => number) => {
  let last = -1
  let count = 0
  let time = ""
  return (millis: number): string => {
    if (millis === last) count++
    else {
      count = 0
      last = millis
      time = millis.toString(16).padStart(12, "0")
    }
    let id = time + hexOf[0x70 | ((count >> 8) & 0x0f)]! + hexOf[count & 0xff]! + hexOf[0x80 | (random() & 0x3f)]!
    for (let i = 0; i < 7; i++) id += hexOf[random()]!
    return id
  }
}

const shortIds = (random: () => number) => {
  const prefix = Array.from({ length: 8 }, () => (random() % 36).toString(36)).join("")
  let next = 0
  return () => prefix + (next++).toString(36)
}

/** Where new ids come from, so that tests can own them. */
export class NewId extends Context.Reference<NewId>()("stoa/services/NewId", {
  defaultValue: () => {
    const random = randomBytes()
    return {
      /** 32 hexadecimal digits; the order of ids is that of their `millis`, and in this process the one they were made in. */
      record: uuid7s(random),
      /** About 10 characters, unique among the events and blocks of a session; kept short because every delta carries two. */
      short: shortIds(random)
    }
  }
}) {}
