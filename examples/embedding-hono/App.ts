/** Stoa below `/stoa` of a Hono application, which hands over web requests. */
import { Hono } from "hono"
import { getCookie } from "hono/cookie"
import type { Host } from "../../src/embed/Host.ts"

export const appOf = (host: Host): Hono => {
  const app = new Hono()
  app.all("/stoa/*", (context) => {
    // A real program asks its session middleware.
    const user = getCookie(context, "user")
    return host.fetch({ base: "/stoa", user: () => user })(context.req.raw)
  })
  app.get("/", (context) => context.text("the program's own page"))
  return app
}
