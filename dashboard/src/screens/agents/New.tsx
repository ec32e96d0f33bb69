import { useNavigate } from "@tanstack/react-router"
import { client } from "../../api/Api.ts"
import { typeOf, useCredentials } from "../../api/Lists.ts"
import { useChange } from "../../api/Queries.ts"
import { Loaded } from "../../ui/Loaded.tsx"
import { Page } from "../../ui/Page.tsx"
import { words } from "../../words/words.ts"
import { AgentForm } from "./AgentForm.tsx"
import { type Draft, empty } from "./Draft.ts"
import { payloadOf } from "./payload.ts"

const text = words.agents

const New = () => {
  const navigate = useNavigate()
  const create = useChange({
    run: (draft: Draft) => client.agents.create(payloadOf(draft)),
    changes: ["agents"],
    isQuiet: true,
    next: ({ agent_id }) => void navigate({ to: `/agents/${agent_id}` })
  })
  return (
    <Page title={text.add} about={text.about} above={[{ to: "/agents", title: text.title }]}>
      <Loaded query={useCredentials()}>
        {({ credentials }) => {
          // The newest is the one that somebody has just added to try it.
          const newest = credentials.at(-1)
          return (
            <AgentForm
              initial={{
                ...empty,
                chat_model_config: newest === undefined
                  ? null
                  : { type: typeOf(newest), credential_id: newest.id, model: "", parameters: {} }
              }}
              action={words.app.create}
              isBusy={create.isPending}
              error={create.error}
              onSave={(draft) => create.mutate(draft)}
            />
          )
        }}
      </Loaded>
    </Page>
  )
}

export default New
