/** How many tokens a request would have: an estimate, as no tokeniser of a provider's is at hand. */
import { Effect } from "effect"
import type { UserId } from "../../../domain/Ids.ts"
import type { Message } from "../../../domain/Message.ts"
import { bytesOf, tokensIn, tokensOf } from "../../../domain/Tokens.ts"
import type { Create } from "./Create.ts"
import * as History from "./place/History.ts"
import * as Asked from "./request/Asked.ts"
import type { TokensRequest } from "./request/Requests.ts"

export const make = ({ conversing, following, read, targetOf }: Create) =>
  Effect.gen(function*() {
    const { heads } = conversing
    const history = yield* History.make

    const before = Effect.fnUntraced(function*(owner: UserId, { conversation, previous }: Asked.Asked) {
      if (previous !== undefined) return yield* following.heldBy(owner, previous)
      if (conversation === undefined) return []
      const found = yield* heads.get(owner, conversation)
      const session = yield* heads.sessionOf(found)
      const held: ReadonlyArray<Message> = session === undefined ? [] : yield* conversing.heldIn(found, session)
      return [...held, ...found.added]
    })

    return Effect.fnUntraced(function*(owner: UserId, request: TokensRequest) {
      const asked = yield* Asked.read(request, undefined)
      const { agent } = yield* targetOf(owner, asked)
      const said = yield* read(owner, asked)
      const words = [agent.data.system_prompt, asked.instructions, ...said.instructions]
      const declared = [...asked.tools, ...agent.data.client_tools].map((tool) => JSON.stringify(tool))
      const outputs = said.results.map(({ output }) => typeof output === "string" ? output : JSON.stringify(output))
      const texts = [...words, ...declared, ...outputs].reduce((sum, text) => sum + bytesOf(text), 0)
      const messages = [...yield* before(owner, asked), ...yield* history.kept(said.turns)]
      return { object: "response.input_tokens" as const, input_tokens: tokensOf(texts) + tokensIn(messages) }
    })
  })
