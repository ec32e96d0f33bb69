/** Version 2.0.0 of the Agent Service, as its typed clients read it. */
import { Schema } from "effect"
import { blockWith, fitsRole, records } from "./Blocks.ts"
import { type Class, classOf, given, list, object, orNull, text, whole } from "./Classes.ts"
import { events as shared } from "./Events.ts"

/** A client of this version raises an error for a type that is not here. */
export const events: Readonly<Record<string, Class>> = shared

const Msg = Schema.Struct({
  id: given(text),
  name: text,
  role: Schema.Literal("user", "assistant", "system"),
  content: list(blockWith(text)),
  metadata: given(object),
  created_at: given(text),
  finished_at: orNull(text),
  usage: orNull(Schema.Struct({ input_tokens: whole, output_tokens: whole }))
}).pipe(Schema.filter(fitsRole))

const { AgentRecord, CredentialRecord, ModelCard, SessionRecord } = records({
  ratio: (ratio) => ratio > 0 && ratio < 0.9,
  sources: ["user", "schedule"]
})

export const classes = {
  Msg: classOf(Msg),
  AgentRecord: classOf(AgentRecord),
  CredentialRecord: classOf(CredentialRecord),
  SessionRecord: classOf(SessionRecord),
  ModelCard: classOf(ModelCard)
}
