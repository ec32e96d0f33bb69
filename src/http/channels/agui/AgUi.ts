/** AG-UI: agents for the front ends of people. */
import { type Channel, make } from "../Channel.ts"
import { api } from "./Api.ts"
import { errors, respond } from "./Errors.ts"
import { layer } from "./Handlers.ts"

export const agUi: Channel = make({
  name: "ag_ui",
  title: "AG-UI",
  mount: "/ag-ui",
  api,
  handlers: layer,
  respond,
  errors,
  options: ["instructions", "tools"],
  filePlaces: [/^messages\.\d+\.content\.\d+\.(?:source\.value|data|url)$/]
})
