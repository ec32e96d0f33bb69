import { type Channel, make } from "../Channel.ts"
import { respond, schema, statusOf } from "../openai/Errors.ts"
import { api } from "./Api.ts"
import { filePlaces } from "./FilePlaces.ts"
import { layer } from "./Handlers.ts"

/** OpenAI's Responses API, with conversations. */
export const responses: Channel = make({
  name: "responses",
  title: "OpenAI's Responses API",
  mount: "/v1",
  api,
  handlers: layer,
  respond,
  errors: { statusOf, schema },
  // Its clients bring instructions and tools with every request, and talk to agents of their own account.
  options: "all",
  filePlaces
})
