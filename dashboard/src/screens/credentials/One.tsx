import { useQuery } from "@tanstack/react-query"
import { Link, useNavigate } from "@tanstack/react-router"
import { Trash2 } from "lucide-react"
import { useState } from "react"
import { api } from "../../api/Api.ts"
import { type Credential, nameOf, typeOf, useAgents, useProviders } from "../../api/Lists.ts"
import { providersIn, secretsOf } from "../../api/Providers.ts"
import { useChange } from "../../api/Queries.ts"
import { usePart } from "../../app/Address.ts"
import type { JsonObject } from "../../forms/Schema.ts"
import { Button } from "../../ui/Button.tsx"
import { Confirm } from "../../ui/Dialog.tsx"
import { Loaded } from "../../ui/Loaded.tsx"
import { Page, Panel } from "../../ui/Page.tsx"
import { words } from "../../words/words.ts"
import { CredentialForm } from "./CredentialForm.tsx"
import { TestPanel } from "./TestPanel.tsx"
import { usersOf } from "./Users.ts"

const text = words.credentials

/** What stands in the form: neither the id nor the masks of secrets. */
const editedOf = ({ data }: Credential): JsonObject => {
  const secrets = secretsOf(data)
  return Object.fromEntries(Object.entries(data).filter(([name]) => name !== "id" && !secrets.has(name))) as JsonObject
}

const UsedBy = ({ credential_id }: { readonly credential_id: string }) => (
  <Panel title={text.usedBy}>
    <Loaded query={useAgents()} rows={1}>
      {({ agents }) => {
        const users = usersOf(agents, credential_id)
        return users.length === 0
          ? (
            <p className="text-sm text-muted">
              {text.usedByNothing} <Link to="/agents">{text.next}</Link>
            </p>
          )
          : (
            <ul className="flex flex-col gap-1 text-sm">
              {users.map(({ data, id }) => (
                <li key={id}>
                  <Link to={`/agents/${id}`}>{data.name}</Link>
                </li>
              ))}
            </ul>
          )
      }}
    </Loaded>
  </Panel>
)

const Remove = ({ credential_id, name }: { readonly credential_id: string; readonly name: string }) => {
  const navigate = useNavigate()
  const [isAsking, setAsking] = useState(false)
  const isUsed = usersOf(useAgents().data?.agents ?? [], credential_id).length > 0
  const remove = useChange({
    run: () => api.credentials.remove({ path: { credential_id }, urlParams: { force: isUsed } }),
    changes: ["credentials"],
    done: words.app.removed,
    next: () => void navigate({ to: "/credentials" })
  })
  return (
    <>
      <Button icon={Trash2} onClick={() => setAsking(true)}>{words.app.remove}</Button>
      <Confirm
        isOpen={isAsking}
        onClose={() => setAsking(false)}
        title={words.app.removeWhat(name)}
        about={isUsed ? text.removeUsed : undefined}
        action={words.app.remove}
        isBusy={remove.isPending}
        onConfirm={() => remove.mutate()}
      />
    </>
  )
}

const One = () => {
  const credential_id = usePart("credential_id")
  const query = useQuery({
    queryKey: ["credentials", credential_id],
    queryFn: () => api.credentials.get({ path: { credential_id } })
  })
  const providers = providersIn(useProviders().data?.schemas ?? [])
  const save = useChange({
    run: (data: JsonObject) => api.credentials.update({ path: { credential_id }, payload: { data } }),
    changes: ["credentials", "models"],
    done: words.app.saved,
    isQuiet: true
  })
  const name = query.data === undefined ? words.app.loading : nameOf(query.data)
  return (
    <Page
      title={name}
      above={[{ to: "/credentials", title: text.title }]}
      actions={<Remove credential_id={credential_id} name={name} />}
    >
      <Loaded query={query}>
        {(credential) => {
          const provider = providers.find(({ type }) => type === typeOf(credential))
          return (
            <div className="grid items-start gap-4 lg:grid-cols-2">
              <Panel title={`${text.settings}: ${provider?.title ?? typeOf(credential)}`}>
                {provider !== undefined && (
                  <CredentialForm
                    key={credential.updated_at}
                    schema={provider.schema}
                    initial={editedOf(credential)}
                    kept={secretsOf(credential.data)}
                    action={words.app.save}
                    isBusy={save.isPending}
                    error={save.error}
                    onSave={(data) => save.mutate(data)}
                  />
                )}
                {secretsOf(credential.data).size > 0 && <p className="mt-3 text-xs text-muted">{text.rotate}</p>}
              </Panel>
              <div className="flex flex-col gap-4">
                <TestPanel credential_id={credential_id} />
                <UsedBy credential_id={credential_id} />
              </div>
            </div>
          )
        }}
      </Loaded>
    </Page>
  )
}

export default One
