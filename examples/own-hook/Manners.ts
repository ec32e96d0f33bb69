/** A hook: what is asked is looked at before it is answered, and what is answered before it goes out. */
import { Effect } from "effect"
import { Invalid } from "../../src/domain/Errors.ts"
import * as Hook from "../../src/http/channels/Hook.ts"

const rude = new Invalid({ code: "rude", detail: "Ask again, with better words." })

export const manners = Hook.make({
  name: "manners",
  // Without this line it would be for every channel.
  channels: ["chat_completions"],
  run: ({ input, instructions }) =>
    /\bdamn\b/i.test(JSON.stringify(input))
      ? Effect.fail(rude)
      : Effect.succeed({ instructions: `${instructions}\nSay please.`.trim() }),
  response: ({ parts, ...rest }) =>
    Effect.succeed({
      ...rest,
      // Nobody reads the thoughts.
      parts: parts.filter(({ type }) => type === "text").map((part) => ({ ...part, text: part.text.trimEnd() }))
    }),
  update: (event) => Effect.succeed(event.type.startsWith("THINKING_BLOCK_") ? undefined : event)
})
