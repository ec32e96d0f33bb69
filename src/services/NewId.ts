import { Context } from "effect"

const hex = (bytes: Uint8Array) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")

const random = (bytes: number) => globalThis.crypto.getRandomValues(new Uint8Array(bytes))

/** UUIDv7 without dashes: 48 bits of time, then 74 random ones. */
const uuid7 = (millis: number): string => {
  const bytes = random(16)
  for (let i = 5, rest = millis; i >= 0; i--, rest = Math.floor(rest / 256)) bytes[i] = rest % 256
  bytes[6] = 0x70 | (bytes[6]! & 0x0f)
  bytes[8] = 0x80 | (bytes[8]! & 0x3f)
  return hex(bytes)
}

const shortIds = () => {
  const prefix = Array.from(random(8), (byte) => (byte % 36).toString(36)).join("")
  let next = 0
  return () => prefix + (next++).toString(36)
}

/** Where new ids come from, so that tests can own them. */
export class NewId extends Context.Reference<NewId>()("stoa/services/NewId", {
  defaultValue: () => ({
    /** 32 hexadecimal digits; the order of ids is the order of their `millis`. */
    record: uuid7,
    /** About 10 characters, unique among the events and blocks of a session; kept short because every delta carries two. */
    short: shortIds()
  })
}) {}
