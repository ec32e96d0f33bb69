/** A chat that begins: which agent, and the first words. */
import { Link, useNavigate } from "@tanstack/react-router"
import { Bot, Plus } from "lucide-react"
import { useEffect, useState } from "react"
import type { Ask } from "stoa/client/Client.ts"
import { client } from "../../api/Api.ts"
import { type Agent, useAgents } from "../../api/Lists.ts"
import { queries } from "../../api/Queries.ts"
import { useWord } from "../../app/Address.ts"
import { titleOf } from "../../app/Branding.ts"
import { type ModelConfig, ModelPicker } from "../../pickers/ModelPicker.tsx"
import { buttonLook } from "../../ui/Button.tsx"
import { Empty } from "../../ui/Empty.tsx"
import { Field, Select } from "../../ui/Field.tsx"
import { Loaded } from "../../ui/Loaded.tsx"
import { words } from "../../words/words.ts"
import { Composer } from "./Composer.tsx"
import { Recent } from "./Recent.tsx"

const text = words.chat

const Begin = ({ agents }: { readonly agents: ReadonlyArray<Agent> }) => {
  const navigate = useNavigate()
  const [wanted, want] = useWord("agent")
  const [chosen, choose] = useState<ModelConfig | null>(null)
  const agent = agents.find(({ id }) => id === wanted) ?? agents[0]!
  const own = agent.data.chat_model_config ?? null
  const model = own ?? chosen
  const isReady = own !== null || agent.data.code != null || (model !== null && model.model !== "")

  const send = async (input: Ask["input"]) => {
    const { session_id } = await client.sessions.create({ agent_id: agent.id, chat_model_config: model })
    await client.send({ agent_id: agent.id, session_id, input })
    void queries.invalidateQueries({ queryKey: ["sessions"] })
    await navigate({ to: `/chat/${session_id}` })
  }

  return (
    <>
      <div className="mx-auto flex w-full max-w-3xl flex-1 flex-col justify-center px-4 py-6 md:px-6">
        <h1 className="text-xl font-semibold tracking-tight">{text.newTitle}</h1>
        <p className="mt-0.5 mb-5 text-sm text-muted">{text.newAbout}</p>
        <div className="flex flex-col gap-4 rounded-lg border border-line bg-panel p-4">
          <Field label={text.agent} about={agent.data.description}>
            {(tied) => (
              <Select
                {...tied}
                value={agent.id}
                options={agents.map(({ data, id }) => ({ value: id, label: data.name }))}
                onChange={want}
              />
            )}
          </Field>
          {own === null && agent.data.code == null
            ? <ModelPicker value={chosen} onChange={choose} isShort />
            : own !== null && <p className="text-xs text-muted">{text.model}: {own.model}</p>}
        </div>
      </div>
      <Composer isRunning={false} isDisabled={!isReady} onSend={send} />
    </>
  )
}

const New = () => {
  const query = useAgents()
  useEffect(() => {
    document.title = titleOf(text.newTitle)
  }, [])
  const add = (
    <Link to="/agents/new" className={buttonLook("primary")}>
      <Plus aria-hidden className="size-3.5" />
      {text.addAgent}
    </Link>
  )
  return (
    <div className="flex h-full">
      <Recent />
      <div className="flex min-w-0 flex-1 flex-col">
        <Loaded query={query}>
          {({ agents }) =>
            agents.length === 0
              ? (
                <div className="mx-auto flex w-full max-w-3xl flex-1 flex-col justify-center p-6">
                  <h1 className="mb-4 text-xl font-semibold tracking-tight">{text.newTitle}</h1>
                  <Empty icon={Bot} title={text.noAgentTitle} action={add}>{text.noAgentAbout}</Empty>
                </div>
              )
              : <Begin agents={agents} />}
        </Loaded>
      </div>
    </div>
  )
}

export default New
