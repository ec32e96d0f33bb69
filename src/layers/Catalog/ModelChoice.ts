/** The model that a definition asks for, through a credential of whoever talks to its agent. */
import type { Credential } from "../../domain/Credential.ts"
import { type AgentFrontMatter, fallbackNames, modelOf, modelParts } from "../../domain/Definition.ts"
import type { ChatModelConfig } from "../../domain/Model.ts"

/** The credential of this name or id, or else the newest of the provider's. */
const credentialFor = (provider: string, credentials: ReadonlyArray<Credential>): Credential | undefined =>
  credentials.findLast(({ id, name }) => name === provider || id === provider) ??
    credentials.findLast(({ type }) => type === `${provider}_credential`)

export interface Choice {
  readonly chat_model_config: ChatModelConfig | null
  readonly fallback_chat_model_configs: ReadonlyArray<ChatModelConfig>
}

const nothing: Choice = { chat_model_config: null, fallback_chat_model_configs: [] }

/** `credentials` are the caller's, oldest first. Fallbacks for which there is none are left out. */
export const choose = (front: AgentFrontMatter, credentials: ReadonlyArray<Credential>): Choice => {
  const wanted = modelOf(front)
  if (wanted === null) return nothing
  const { max_tokens, temperature } = wanted
  const parameters = { ...temperature !== undefined && { temperature }, ...max_tokens !== undefined && { max_tokens } }
  const configOf = (name: string): ReadonlyArray<ChatModelConfig> => {
    const { model, provider } = modelParts(name)
    const credential = credentialFor(provider, credentials)
    return credential === undefined
      ? []
      : [{ type: credential.type, credential_id: credential.id, model, parameters }]
  }
  const all = [wanted.name, ...fallbackNames(wanted)].flatMap(configOf)
  const [first = null, ...rest] = all
  return { chat_model_config: first, fallback_chat_model_configs: rest }
}
