import { useNavigate } from "@tanstack/react-router"
import type { ScheduleDraft } from "stoa/domain/Schedule.ts"
import { post } from "../../api/Api.ts"
import { useAgents } from "../../api/Lists.ts"
import { useChange } from "../../api/Queries.ts"
import { Loaded } from "../../ui/Loaded.tsx"
import { Page } from "../../ui/Page.tsx"
import { words } from "../../words/words.ts"
import { type Draft, empty, whenOf } from "./Draft.ts"
import { ScheduleForm } from "./ScheduleForm.tsx"

const text = words.schedules

const make = ({ agent_id, input, missed, name, overlap, permission_mode, stateful, ...when }: Draft) =>
  post<typeof ScheduleDraft.Encoded, { readonly schedule_id: string }>("/schedule", {
    agent_id,
    input,
    missed,
    name,
    overlap,
    permission_mode,
    stateful,
    ...whenOf({ ...empty, ...when })
  })

const New = () => {
  const navigate = useNavigate()
  const create = useChange({
    run: make,
    changes: ["schedules"],
    isQuiet: true,
    next: ({ schedule_id }) => void navigate({ to: `/schedules/${schedule_id}` })
  })
  return (
    <Page title={text.add} about={text.about} above={[{ to: "/schedules", title: text.title }]}>
      <Loaded query={useAgents()}>
        {({ agents }) => (
          <ScheduleForm
            isNew
            initial={{ ...empty, agent_id: agents[0]?.id ?? "" }}
            action={words.app.create}
            isBusy={create.isPending}
            error={create.error}
            onSave={(draft) => create.mutate(draft)}
          />
        )}
      </Loaded>
    </Page>
  )
}

export default New
