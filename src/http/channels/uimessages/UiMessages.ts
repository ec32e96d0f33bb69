import { type Channel, make } from "../Channel.ts"
import { api } from "./Api.ts"
import { errors, respond } from "./Errors.ts"
import { layer } from "./Handlers.ts"

/** What `useChat` of the AI SDK speaks by its default transport. */
export const uiMessages: Channel = make({
  name: "ui_messages",
  title: "UI message streams",
  mount: "/ui-messages",
  api,
  handlers: layer,
  respond,
  errors,
  options: ["instructions", "tools"],
  filePlaces: [/^messages\.\d+\.parts\.\d+\.url$/]
})
