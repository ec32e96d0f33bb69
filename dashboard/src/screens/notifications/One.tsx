import { useQuery } from "@tanstack/react-query"
import { useNavigate } from "@tanstack/react-router"
import { Inbox, Send, Trash2 } from "lucide-react"
import { useState } from "react"
import { api } from "../../api/Api.ts"
import type { Answer } from "../../api/Lists.ts"
import { useChange } from "../../api/Queries.ts"
import { usePart } from "../../app/Address.ts"
import { Badge, type Tone } from "../../ui/Badge.tsx"
import { Button, IconButton } from "../../ui/Button.tsx"
import { Confirm } from "../../ui/Dialog.tsx"
import { Empty } from "../../ui/Empty.tsx"
import { Loaded } from "../../ui/Loaded.tsx"
import { Notice } from "../../ui/Notice.tsx"
import { Page } from "../../ui/Page.tsx"
import { Table } from "../../ui/Table.tsx"
import { Time } from "../../ui/Time.tsx"
import { words } from "../../words/words.ts"

const text = words.notifications

type Notification = Answer<"notifications", "get">
type Delivery = Answer<"notifications", "deliveries">["deliveries"][number]

const tones: Readonly<Record<Delivery["status"], Tone>> = {
  pending: "accent",
  delivered: "ok",
  failed: "bad",
  refused: "bad"
}

const eventOf = (event: Delivery["event"]) => event === "test" ? text.testEvent : text.eventNames[event]

const Deliveries = ({ notification_id }: { readonly notification_id: string }) => {
  const path = { notification_id }
  const query = useQuery({
    queryKey: ["notifications", notification_id, "deliveries"],
    queryFn: () => api.notifications.deliveries({ path, urlParams: { limit: 50 } }),
    refetchInterval: 4_000
  })
  const resend = useChange({
    run: (delivery_id: string) => api.notifications.resend({ path: { ...path, delivery_id } }),
    changes: ["notifications"],
    done: text.resent
  })
  return (
    <Loaded query={query}>
      {({ deliveries }) =>
        deliveries.length === 0
          ? <Empty icon={Inbox} title={text.noDeliveries} />
          : (
            <Table
              label={text.deliveries}
              rows={deliveries}
              idOf={({ id }) => id}
              columns={[
                { title: text.event, cell: ({ event, text }) => <span title={text}>{eventOf(event)}</span> },
                {
                  title: words.app.status,
                  cell: ({ status }) => <Badge tone={tones[status]}>{text.statuses[status]}</Badge>
                },
                { title: text.attempts, isNumber: true, cell: ({ attempts }) => attempts.length },
                { title: words.app.created, cell: ({ created_at }) => <Time at={created_at} /> },
                {
                  title: words.app.actions,
                  isUntitled: true,
                  isNumber: true,
                  cell: ({ id }) => (
                    <Button size="small" isBusy={resend.isPending} onClick={() => resend.mutate(id)}>
                      {text.resend}
                    </Button>
                  )
                }
              ]}
            />
          )}
    </Loaded>
  )
}

const Actions = ({ notification: { enabled, id, name } }: { readonly notification: Notification }) => {
  const navigate = useNavigate()
  const [isAsking, setAsking] = useState(false)
  const path = { notification_id: id }
  const changes = ["notifications"]
  const turn = useChange({ run: () => api.notifications.update({ path, payload: { enabled: !enabled } }), changes })
  const test = useChange({ run: () => api.notifications.test({ path }), changes, done: text.tested })
  const remove = useChange({
    run: () => api.notifications.remove({ path }),
    changes,
    done: words.app.removed,
    next: () => void navigate({ to: "/notifications" })
  })
  return (
    <>
      <Button isBusy={turn.isPending} onClick={() => turn.mutate()}>{enabled ? text.turnOff : text.turnOn}</Button>
      <Button look="primary" icon={Send} isBusy={test.isPending} onClick={() => test.mutate()}>{text.test}</Button>
      <IconButton icon={Trash2} label={words.app.remove} onClick={() => setAsking(true)} />
      <Confirm
        isOpen={isAsking}
        onClose={() => setAsking(false)}
        title={words.app.removeWhat(name)}
        action={words.app.remove}
        isBusy={remove.isPending}
        onConfirm={() => remove.mutate()}
      />
    </>
  )
}

const One = () => {
  const notification_id = usePart("notification_id")
  const query = useQuery({
    queryKey: ["notifications", notification_id],
    queryFn: () => api.notifications.get({ path: { notification_id } })
  })
  const { data } = query
  return (
    <Page
      title={data?.name ?? words.app.loading}
      about={data !== undefined && `${text.kinds[data.kind]}: ${data.target}`}
      above={[{ to: "/notifications", title: text.title }]}
      actions={data !== undefined && <Actions notification={data} />}
    >
      <Loaded query={query}>
        {({ disabled_reason, events }) => (
          <div className="flex flex-col gap-4">
            {disabled_reason !== null && <Notice kind="warn">{disabled_reason}</Notice>}
            <p className="text-sm">
              {text.events}: {events.map((event) => text.eventNames[event]).join(", ")}
            </p>
            <Deliveries notification_id={notification_id} />
          </div>
        )}
      </Loaded>
    </Page>
  )
}

export default One
