/** LangGraph: agents for programs that use its SDK. */
import { type Channel, make } from "../Channel.ts"
import { api } from "./Api.ts"
import { errors, respond } from "./Errors.ts"
import { layer } from "./Handlers.ts"

export const langGraph: Channel = make({
  name: "langgraph",
  title: "LangGraph",
  mount: "/langgraph",
  api,
  handlers: layer,
  respond,
  errors,
  options: ["instructions"],
  filePlaces: [/^input\.messages\.(?:\d+\.)?content\.\d+\.(?:image_url|image_url\.url|url|data)$/]
})
