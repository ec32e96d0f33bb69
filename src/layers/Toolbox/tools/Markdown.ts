/** HTML as markdown, made in a thread whose time and memory are bounded. */
import { Data, Duration, Effect } from "effect"
import { createRequire } from "node:module"
import { Worker } from "node:worker_threads"

const longest = Duration.seconds(10)
const maxMegabytes = 256

/** The page is too large or too deep to be read. */
export class NotReadable extends Data.TaggedError("NotReadable")<{}> {}

const program = String.raw`
const { parentPort, workerData: { file, html } } = require("node:worker_threads")
const TurndownService = require(file)
const service = new TurndownService({ headingStyle: "atx", codeBlockStyle: "fenced", bulletListMarker: "-" })
service.remove(["script", "style", "noscript", "template", "iframe", "object", "embed", "svg", "canvas", "form", "nav", "head"])
service.addRule("data", { filter: (node) => node.nodeName === "IMG" && /^data:/i.test(node.getAttribute("src") || ""), replacement: () => "" })
parentPort.postMessage(service.turndown(html))
`

export const markdownOf = (html: string): Effect.Effect<string, NotReadable> =>
  Effect.async<string, NotReadable>((resume) => {
    const worker = new Worker(program, {
      eval: true,
      workerData: { file: createRequire(import.meta.url).resolve("turndown"), html },
      env: {},
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: maxMegabytes, maxYoungGenerationSizeMb: maxMegabytes / 4 }
    })
    worker.once("message", (text: string) => resume(Effect.succeed(text)))
    // The thread ran out of memory or stack.
    worker.once("error", () => resume(new NotReadable()))
    worker.once("exit", () => resume(new NotReadable()))
    return Effect.promise(() => worker.terminate())
  }).pipe(Effect.timeoutFail({ duration: longest, onTimeout: () => new NotReadable() }))
