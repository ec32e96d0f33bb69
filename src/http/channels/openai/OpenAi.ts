import { type Channel, make } from "../Channel.ts"
import { api } from "./Api.ts"
import { respond, schema, statusOf } from "./Errors.ts"
import { layer } from "./Handlers.ts"

/** Where a text is a file, however long it is. */
export const filePlaces: ReadonlyArray<RegExp> = [
  /^messages\.\d+\.content\.\d+\.(?:image_url\.url|input_audio\.data|file\.file_data)$/
]

/** Chat completions and what is asked for beside them, as every client of OpenAI speaks. */
export const chatCompletions: Channel = make({
  name: "chat_completions",
  title: "OpenAI's API",
  mount: "/v1",
  api,
  handlers: layer,
  respond,
  errors: { statusOf, schema },
  // Its clients bring instructions and tools with every request, and talk to agents of their own account.
  options: "all",
  filePlaces
})
