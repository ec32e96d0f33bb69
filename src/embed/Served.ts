/** The server's requests without a port: whoever has a request hands it over. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as HttpServer from "@effect/platform/HttpServer"
import { Context, Effect, Layer } from "effect"
import type { Handle } from "./Fetch.ts"

/** What answers requests; nothing before the server is built. */
export class Served
  extends Context.Tag("stoa/embed/Served")<Served, { readonly handler: () => Handle | undefined }>()
{}

export const layer: Layer.Layer<
  Served | HttpServer.HttpServer | Layer.Layer.Success<typeof NodeHttpServer.layerContext>
> = Layer.merge(
  NodeHttpServer.layerContext,
  Layer.effectContext(Effect.sync(() => {
    let handle: Handle | undefined
    const server = HttpServer.make({
      // It listens to nothing: the program around it does.
      address: { _tag: "TcpAddress", hostname: "127.0.0.1", port: 0 },
      serve: (app, middleware) =>
        Effect.map(
          middleware === undefined ? NodeHttpServer.makeHandler(app) : NodeHttpServer.makeHandler(app, middleware),
          (made) => {
            handle = made
          }
        )
    })
    return Context.make(HttpServer.HttpServer, server).pipe(Context.add(Served, { handler: () => handle }))
  }))
)
