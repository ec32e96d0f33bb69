import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import { Effect } from "effect"
import { Api } from "../Api.ts"
import * as MessagePage from "./MessagePage.ts"

export const layer = HttpApiBuilder.group(
  Api,
  "messages",
  (handlers) =>
    Effect.map(
      MessagePage.make,
      (pageOf) => handlers.handle("list", ({ path, urlParams }) => pageOf(path.session_id, urlParams))
    )
)
