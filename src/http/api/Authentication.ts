import * as HttpApiMiddleware from "@effect/platform/HttpApiMiddleware"
import * as HttpApiSecurity from "@effect/platform/HttpApiSecurity"
import * as OpenApi from "@effect/platform/OpenApi"
import { Schema } from "effect"
import { CurrentPrincipal } from "../../domain/Principal.ts"
import * as Problem from "./Problem.ts"

/** Every endpoint behind it knows who asks. How that is found out is the server's part. */
export class Authentication extends HttpApiMiddleware.Tag<Authentication>()("stoa/http/api/Authentication", {
  failure: Schema.Union(Problem.Unauthenticated, Problem.Forbidden),
  provides: CurrentPrincipal,
  security: {
    user: HttpApiSecurity.apiKey({ key: "x-user-id", in: "header" }).pipe(
      HttpApiSecurity.annotate(
        OpenApi.Description,
        "The tenant: any name you like, such as `local`. Trusted while the server listens on loopback, or behind a proxy that sets it."
      )
    ),
    key: HttpApiSecurity.bearer.pipe(HttpApiSecurity.annotate(OpenApi.Description, "An API key: `stoa_…`."))
  }
}) {}
