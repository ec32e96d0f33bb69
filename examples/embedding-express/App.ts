/** Stoa below `/stoa` of an Express application. */
import express, { type Express } from "express"
import type { IncomingMessage } from "node:http"
import type { Host } from "../../src/embed/Host.ts"

/** A real program asks its session middleware. */
const userOf = ({ headers }: IncomingMessage) => /(?:^|; )user=(\w{1,64})/.exec(headers.cookie ?? "")?.[1]

export const appOf = (host: Host): Express => {
  const app = express()
  // Before `express.json()`: Stoa reads bodies itself.
  app.use("/stoa", host.handler({ base: "/stoa", user: userOf }))
  app.use(express.json())
  app.get("/", (_, response) => void response.type("text").send("the program's own page"))
  return app
}
