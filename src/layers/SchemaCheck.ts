/** Checks a value against a JSON schema: at once when that is little work, otherwise in a thread whose time and memory are bounded. */
import { Data, Duration, Effect } from "effect"
import { createRequire } from "node:module"
import { Worker } from "node:worker_threads"
import type { JsonObject } from "../domain/Json.ts"

/** Most steps that are made on the main thread. One value of the schema that checks one value of the answer is about a step, and takes microseconds. */
const maxAtOnce = 10_000

/** Most problems that are reported, and the length of the longest, in characters. */
const maxProblems = 10
const maxProblem = 300

/** Limits of time and memory for a check in a thread. */
const longest = Duration.seconds(2)
const maxMegabytes = 128

/** The check was abandoned. */
export class CheckTooExpensive extends Data.TaggedError("CheckTooExpensive")<{}> {}

const validator = "@cfworker/json-schema"

/**
 * What the thread does. As a text it needs no file of its own in any build. It stops at the first problem: to
 * collect all of a large value can take gigabytes.
 */
const program = `
const { parentPort, workerData: { file, schema, text } } = require("node:worker_threads")
const { Validator } = require(file)
const { errors, valid } = new Validator(schema, "2020-12", true).validate(JSON.parse(text))
parentPort.postMessage(valid ? [] : errors.map(({ error, instanceLocation }) => ({ error, instanceLocation })))
`

interface Problem {
  readonly error: string
  readonly instanceLocation: string
}

/** `#/cities/0` as `cities.0`; the value itself by its noun. */
const placeOf = (location: string, noun: string): string => {
  const path = location.replace(/^#\/?/, "")
  return path === "" ? noun : `\`${path.replaceAll("/", ".").replaceAll("~1", "/").replaceAll("~0", "~")}\``
}

/** The problems in words; none when the value fits the schema. */
const sentencesOf = (errors: ReadonlyArray<Problem>, noun: string): ReadonlyArray<string> =>
  errors.slice(0, maxProblems).map(({ error, instanceLocation }) =>
    `In ${placeOf(instanceLocation, noun)}: ${
      error.replace(/^Instance type "(\w+)" is invalid\. Expected/, "it is of type \"$1\", but should be of")
        .replace(/^Instance /, "it ")
    }`.slice(0, maxProblem)
  )

const inThread = (
  { noun, schema, text, time = longest }: Check
): Effect.Effect<ReadonlyArray<string>, CheckTooExpensive> =>
  Effect.async<ReadonlyArray<string>, CheckTooExpensive>((resume) => {
    const worker = new Worker(program, {
      eval: true,
      workerData: { file: createRequire(import.meta.url).resolve(validator), schema, text },
      env: {},
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: maxMegabytes, maxYoungGenerationSizeMb: maxMegabytes / 4 }
    })
    worker.once("message", (errors: ReadonlyArray<Problem>) => resume(Effect.succeed(sentencesOf(errors, noun))))
    // The thread ran out of memory or stack.
    worker.once("error", () => resume(Effect.fail(new CheckTooExpensive())))
    worker.once("exit", () => resume(Effect.fail(new CheckTooExpensive())))
    return Effect.promise(() => worker.terminate())
  }).pipe(Effect.timeoutFail({ duration: time, onTimeout: () => new CheckTooExpensive() }))

const atOnce = ({ noun, schema, value }: Check): Effect.Effect<ReadonlyArray<string>> =>
  Effect.map(Effect.promise(() => import("@cfworker/json-schema")), ({ Validator }) => {
    const { errors, valid } = new Validator(schema, "2020-12", false).validate(value)
    return valid ? [] : sentencesOf(errors, noun)
  })

export interface Check {
  /** What the value is called in the sentences: "the answer". */
  readonly noun: string
  readonly schema: JsonObject
  readonly value: unknown
  /** The same as JSON. */
  readonly text: string
  /** How much work it is at most, in steps. */
  readonly steps: number
  /** How long a thread may take for it. */
  readonly time?: Duration.Duration
}

export const isLittle = ({ steps }: Pick<Check, "steps">): boolean => steps <= maxAtOnce

/** What is wrong with the value, in words; nothing when it is of the schema. */
export const check = (what: Check): Effect.Effect<ReadonlyArray<string>, CheckTooExpensive> =>
  isLittle(what) ? atOnce(what) : inThread(what)
