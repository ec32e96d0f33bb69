import { type Channel, make } from "../Channel.ts"
import { api } from "./Api.ts"
import { errors, respond } from "./Errors.ts"
import { layer } from "./Handlers.ts"

/** What clients of the Agent Gateway speak. */
export const gateway: Channel = make({
  name: "gateway",
  title: "The Agent Gateway's API",
  mount: "/v1",
  api,
  handlers: layer,
  respond,
  errors,
  options: ["output_schema"]
})
