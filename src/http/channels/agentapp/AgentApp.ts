import { type Channel, make } from "../Channel.ts"
import { api } from "./Api.ts"
import { errors, respond } from "./Errors.ts"
import { layer } from "./Handlers.ts"

/** What clients of AgentScope Runtime's AgentApp speak. */
export const agentApp: Channel = make({
  name: "agentapp",
  title: "AgentApp",
  mount: "",
  api,
  handlers: layer,
  respond,
  errors,
  options: ["instructions"],
  filePlaces: [/^input\.\d+\.content\.\d+\.(?:image_url|video_url|data|file_data)$/]
})
