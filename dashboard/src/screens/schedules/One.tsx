import { useQuery } from "@tanstack/react-query"
import { useNavigate } from "@tanstack/react-router"
import { Pause, Play, Trash2, Zap } from "lucide-react"
import { useState } from "react"
import { api } from "../../api/Api.ts"
import type { Schedule } from "../../api/Lists.ts"
import { useChange } from "../../api/Queries.ts"
import { usePart, useWord } from "../../app/Address.ts"
import { Badge } from "../../ui/Badge.tsx"
import { Button, IconButton } from "../../ui/Button.tsx"
import { Confirm } from "../../ui/Dialog.tsx"
import { Loaded } from "../../ui/Loaded.tsx"
import { Notice } from "../../ui/Notice.tsx"
import { Page, Panel } from "../../ui/Page.tsx"
import { Tabs } from "../../ui/Tabs.tsx"
import { words } from "../../words/words.ts"
import { type Draft, draftOf, whenOf } from "./Draft.ts"
import { History } from "./History.tsx"
import { plainOf } from "./Plain.ts"
import { ScheduleForm } from "./ScheduleForm.tsx"
import { tones } from "./Tones.ts"
import { Fires } from "./When.tsx"

const text = words.schedules

const Actions = ({ schedule: { data, id, status } }: { readonly schedule: Schedule }) => {
  const navigate = useNavigate()
  const [isAsking, setAsking] = useState(false)
  const path = { schedule_id: id }
  const changes = ["schedules"]
  const pause = useChange({ run: () => api.schedules.pause({ path }), changes })
  const resume = useChange({ run: () => api.schedules.resume({ path }), changes })
  const trigger = useChange({ run: () => api.schedules.trigger({ path }), changes, done: text.triggered })
  const remove = useChange({
    run: () => api.schedules.remove({ path }),
    changes,
    done: words.app.removed,
    next: () => void navigate({ to: "/schedules" })
  })
  return (
    <>
      {status === "active"
        ? <Button icon={Pause} isBusy={pause.isPending} onClick={() => pause.mutate()}>{text.pause}</Button>
        : <Button icon={Play} isBusy={resume.isPending} onClick={() => resume.mutate()}>{text.resume}</Button>}
      <Button look="primary" icon={Zap} isBusy={trigger.isPending} onClick={() => trigger.mutate()}>
        {text.trigger}
      </Button>
      <IconButton icon={Trash2} label={words.app.remove} onClick={() => setAsking(true)} />
      <Confirm
        isOpen={isAsking}
        onClose={() => setAsking(false)}
        title={words.app.removeWhat(data.name)}
        action={words.app.remove}
        isBusy={remove.isPending}
        onConfirm={() => remove.mutate()}
      />
    </>
  )
}

const Next = ({ schedule_id }: { readonly schedule_id: string }) => {
  const query = useQuery({
    queryKey: ["schedules", schedule_id, "next"],
    queryFn: () => api.schedules.next({ path: { schedule_id }, urlParams: { count: 5 } })
  })
  return (
    <Panel title={text.nextFires}>
      <Loaded query={query} rows={2}>{(next) => <Fires {...next} />}</Loaded>
    </Panel>
  )
}

const Edit = ({ schedule }: { readonly schedule: Schedule }) => {
  const save = useChange({
    run: ({ input, missed, name, overlap, permission_mode, stateful, ...when }: Draft) =>
      api.schedules.update({
        path: { schedule_id: schedule.id },
        payload: {
          input,
          missed,
          name,
          overlap,
          permission_mode,
          stateful,
          ...whenOf({ ...draftOf(schedule), ...when })
        }
      }),
    changes: ["schedules"],
    done: words.app.saved,
    isQuiet: true
  })
  return (
    <ScheduleForm
      key={schedule.updated_at}
      initial={draftOf(schedule)}
      action={words.app.save}
      isBusy={save.isPending}
      error={save.error}
      onSave={(draft) => save.mutate(draft)}
    />
  )
}

const One = () => {
  const schedule_id = usePart("schedule_id")
  const [tab, setTab] = useWord("tab", "history")
  const query = useQuery({
    queryKey: ["schedules", schedule_id],
    queryFn: () => api.schedules.get({ path: { schedule_id } })
  })
  const { data } = query
  return (
    <Page
      title={data?.data.name ?? words.app.loading}
      above={[{ to: "/schedules", title: text.title }]}
      about={data !== undefined && (
        <>
          <Badge tone={tones[data.status]}>{text.statuses[data.status]}</Badge> {plainOf(data.data)}
        </>
      )}
      actions={data !== undefined && <Actions schedule={data} />}
    >
      <Loaded query={query}>
        {(schedule) => (
          <>
            {schedule.status_reason !== null && (
              <div className="mb-4">
                <Notice kind="warn">{schedule.status_reason}</Notice>
              </div>
            )}
            <Tabs
              label={schedule.data.name}
              value={tab}
              onChange={setTab}
              tabs={[
                {
                  value: "history",
                  label: text.history,
                  content: (
                    <div className="grid items-start gap-4 lg:grid-cols-[2fr_1fr]">
                      <History schedule_id={schedule_id} />
                      <Next schedule_id={schedule_id} />
                    </div>
                  )
                },
                { value: "settings", label: text.settings, content: <Edit schedule={schedule} /> }
              ]}
            />
          </>
        )}
      </Loaded>
    </Page>
  )
}

export default One
