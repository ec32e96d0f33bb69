import { useQuery } from "@tanstack/react-query"
import { useNavigate } from "@tanstack/react-router"
import { Trash2 } from "lucide-react"
import { useState } from "react"
import { api } from "../../api/Api.ts"
import { useChange } from "../../api/Queries.ts"
import { usePart } from "../../app/Address.ts"
import { Button } from "../../ui/Button.tsx"
import { Confirm } from "../../ui/Dialog.tsx"
import { Loaded } from "../../ui/Loaded.tsx"
import { Notice } from "../../ui/Notice.tsx"
import { Page } from "../../ui/Page.tsx"
import { words } from "../../words/words.ts"
import { AgentForm } from "./AgentForm.tsx"
import { type Draft, draftOf } from "./Draft.ts"
import { payloadOf } from "./payload.ts"

const text = words.agents

const Remove = ({ agent_id, name }: { readonly agent_id: string; readonly name: string }) => {
  const navigate = useNavigate()
  const [isAsking, setAsking] = useState(false)
  const remove = useChange({
    run: () => api.agents.remove({ path: { agent_id } }),
    changes: ["agents"],
    done: words.app.removed,
    next: () => void navigate({ to: "/agents" })
  })
  return (
    <>
      <Button icon={Trash2} onClick={() => setAsking(true)}>{words.app.remove}</Button>
      <Confirm
        isOpen={isAsking}
        onClose={() => setAsking(false)}
        title={words.app.removeWhat(name)}
        about={text.removeAbout}
        action={words.app.remove}
        isBusy={remove.isPending}
        onConfirm={() => remove.mutate()}
      />
    </>
  )
}

const One = () => {
  const agent_id = usePart("agent_id")
  const query = useQuery({ queryKey: ["agents", agent_id], queryFn: () => api.agents.get({ path: { agent_id } }) })
  const save = useChange({
    run: (draft: Draft) => api.agents.update({ path: { agent_id }, payload: payloadOf(draft) }),
    changes: ["agents"],
    done: words.app.saved,
    isQuiet: true
  })
  const name = query.data?.data.name ?? words.app.loading
  const isFixed = query.data?.editable === false
  return (
    <Page
      title={name}
      above={[{ to: "/agents", title: text.title }]}
      actions={!isFixed && <Remove agent_id={agent_id} name={name} />}
    >
      <Loaded query={query}>
        {(agent) => (
          <>
            {isFixed && (
              <div className="mb-4">
                <Notice>{text.fixed}</Notice>
              </div>
            )}
            <AgentForm
              key={agent.updated_at}
              initial={draftOf(agent)}
              action={words.app.save}
              isBusy={save.isPending}
              isFixed={isFixed}
              error={save.error}
              onSave={(draft) => save.mutate(draft)}
            />
          </>
        )}
      </Loaded>
    </Page>
  )
}

export default One
