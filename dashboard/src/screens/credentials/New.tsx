import { useNavigate } from "@tanstack/react-router"
import { ArrowLeft } from "lucide-react"
import { api } from "../../api/Api.ts"
import { useProviders } from "../../api/Lists.ts"
import { type Provider, providersIn } from "../../api/Providers.ts"
import { useChange } from "../../api/Queries.ts"
import { useWord } from "../../app/Address.ts"
import type { JsonObject } from "../../forms/Schema.ts"
import { Button } from "../../ui/Button.tsx"
import { Loaded } from "../../ui/Loaded.tsx"
import { Page, Panel } from "../../ui/Page.tsx"
import { words } from "../../words/words.ts"
import { CredentialForm } from "./CredentialForm.tsx"

const text = words.credentials

const Choose = (
  { onChoose, providers }: { readonly providers: ReadonlyArray<Provider>; readonly onChoose: (type: string) => void }
) => (
  <div>
    <h2 className="mb-3 font-medium">{text.chooseProvider}</h2>
    <ul className="grid grid-cols-2 gap-2 sm:grid-cols-3 lg:grid-cols-4">
      {providers.map(({ title, type }) => (
        <li key={type}>
          <button
            type="button"
            onClick={() => onChoose(type)}
            className="flex w-full items-center gap-2.5 rounded-lg border border-line bg-panel px-3 py-3 text-left text-sm font-medium hover:border-accent hover:bg-accent-soft"
          >
            <span
              aria-hidden
              className="inline-flex size-7 items-center justify-center rounded-md bg-sunken text-xs text-muted"
            >
              {title.slice(0, 2)}
            </span>
            {title}
          </button>
        </li>
      ))}
    </ul>
  </div>
)

const New = () => {
  const navigate = useNavigate()
  const [type, setType] = useWord("type")
  const create = useChange({
    run: (data: JsonObject) => api.credentials.create({ payload: { data } }),
    changes: ["credentials"],
    isQuiet: true,
    next: ({ credential_id }) => void navigate({ to: `/credentials/${credential_id}`, search: { test: "1" } })
  })
  return (
    <Page title={text.add} about={text.about} above={[{ to: "/credentials", title: text.title }]}>
      <Loaded query={useProviders()}>
        {({ schemas }) => {
          const providers = providersIn(schemas)
          const provider = providers.find((one) => one.type === type)
          return provider === undefined
            ? <Choose providers={providers} onChoose={setType} />
            : (
              <div className="max-w-xl">
                <Panel
                  title={provider.title}
                  actions={
                    <Button size="small" look="quiet" icon={ArrowLeft} onClick={() => setType("")}>
                      {text.changeProvider}
                    </Button>
                  }
                >
                  <CredentialForm
                    key={type}
                    schema={provider.schema}
                    initial={{ type }}
                    action={text.saveAndTest}
                    isBusy={create.isPending}
                    error={create.error}
                    onSave={(data) => create.mutate(data)}
                  />
                </Panel>
              </div>
            )
        }}
      </Loaded>
    </Page>
  )
}

export default New
