import { useQuery } from "@tanstack/react-query"
import { Link } from "@tanstack/react-router"
import { Cpu } from "lucide-react"
import { useState } from "react"
import { type ModelCard, modelsQuery, nameOf, typeOf, useCredentials } from "../../api/Lists.ts"
import { useProviderTitle } from "../../api/Providers.ts"
import { useWord } from "../../app/Address.ts"
import { type JsonSchema, labelOf } from "../../forms/Schema.ts"
import { Badge, type Tone } from "../../ui/Badge.tsx"
import { buttonLook } from "../../ui/Button.tsx"
import { Dialog } from "../../ui/Dialog.tsx"
import { Empty } from "../../ui/Empty.tsx"
import { Field, Select } from "../../ui/Field.tsx"
import { Loaded } from "../../ui/Loaded.tsx"
import { whole } from "../../ui/Numbers.ts"
import { Page } from "../../ui/Page.tsx"
import { Table } from "../../ui/Table.tsx"
import { words } from "../../words/words.ts"

const text = words.models

const tones: Readonly<Record<ModelCard["status"], Tone>> = { active: "ok", deprecated: "warn", sunset: "bad" }

const tokensOf = (count: number | null) =>
  count === null ? <span className="text-muted">{text.unknown}</span> : whole(count)

const priceOf = ({ prices }: ModelCard): string =>
  prices === null
    ? text.unknown
    : prices.input === 0 && prices.output === 0
    ? text.free
    : `$${prices.input} / $${prices.output}`

/** `image/png` as `png`: what the types have in common says nothing. */
const shortOf = (types: ReadonlyArray<string>) => types.map((type) => type.replace(/^[a-z]+\/(x-)?/, "")).join(", ")

const Card = ({ card, onClose }: { readonly card: ModelCard; readonly onClose: () => void }) => {
  const parameters = Object.entries((card.parameter_schema as JsonSchema).properties ?? {})
  return (
    <Dialog
      isOpen
      isWide
      onClose={onClose}
      title={card.label}
      about={card.name}
      actions={<Link to="/agents" className={buttonLook()}>{text.useIt}</Link>}
    >
      <dl className="grid grid-cols-[auto_1fr] gap-x-6 gap-y-1.5 text-sm">
        <dt className="text-muted">{text.context}</dt>
        <dd>{tokensOf(card.context_size)}</dd>
        <dt className="text-muted">{text.output}</dt>
        <dd>{tokensOf(card.output_size)}</dd>
        <dt className="text-muted">{text.takes}</dt>
        <dd>{shortOf(card.input_types)}</dd>
        <dt className="text-muted">{text.gives}</dt>
        <dd>{shortOf(card.output_types)}</dd>
        <dt className="text-muted">{text.price}</dt>
        <dd>
          {priceOf(card)} <span className="text-muted">{text.priceAbout}</span>
        </dd>
      </dl>
      <h3 className="mt-4 mb-1.5 text-sm font-semibold">{text.parameters}</h3>
      {parameters.length === 0 && <p className="text-sm text-muted">{text.noParameters}</p>}
      <dl className="flex flex-col gap-1.5 text-sm">
        {parameters.map(([name, schema]) => (
          <div key={name}>
            <dt className="font-medium">{labelOf(name, schema)}</dt>
            <dd className="text-muted">{schema.description}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  )
}

const Of = ({ credential_id, provider }: { readonly provider: string; readonly credential_id: string }) => {
  const [shown, setShown] = useState<ModelCard>()
  return (
    <Loaded query={useQuery(modelsQuery(provider, credential_id))}>
      {({ models }) => (
        <>
          <Table
            label={text.title}
            rows={models}
            idOf={({ name }) => name}
            columns={[
              {
                title: words.app.name,
                cell: (card) => (
                  <button
                    type="button"
                    className="text-left font-medium hover:underline"
                    onClick={() => setShown(card)}
                  >
                    {card.label}
                    <span className="block font-mono text-xs font-normal text-muted">{card.name}</span>
                  </button>
                )
              },
              {
                title: words.app.status,
                cell: ({ status }) => <Badge tone={tones[status]}>{text.statuses[status]}</Badge>
              },
              { title: text.context, isNumber: true, cell: ({ context_size }) => tokensOf(context_size) },
              { title: text.output, isNumber: true, isLess: true, cell: ({ output_size }) => tokensOf(output_size) },
              { title: text.takes, isLess: true, cell: ({ input_types }) => shortOf(input_types) },
              { title: text.price, isNumber: true, cell: priceOf }
            ]}
          />
          {shown !== undefined && <Card card={shown} onClose={() => setShown(undefined)} />}
        </>
      )}
    </Loaded>
  )
}

const Models = () => {
  const titleOf = useProviderTitle()
  const [chosen, setChosen] = useWord("credential")
  return (
    <Page title={text.title} about={text.about}>
      <Loaded query={useCredentials()}>
        {({ credentials }) => {
          const credential = credentials.find(({ id }) => id === chosen) ?? credentials.at(-1)
          if (credential === undefined) {
            return (
              <Empty
                icon={Cpu}
                title={text.emptyTitle}
                action={<Link to="/credentials/new" className={buttonLook("primary")}>{words.credentials.add}</Link>}
              >
                {text.emptyAbout}
              </Empty>
            )
          }
          return (
            <div className="flex flex-col gap-4">
              <div className="max-w-xs">
                <Field label={text.through}>
                  {(tied) => (
                    <Select
                      {...tied}
                      value={credential.id}
                      options={credentials.map((one) => ({
                        value: one.id,
                        label: `${nameOf(one)} (${titleOf(typeOf(one))})`
                      }))}
                      onChange={setChosen}
                    />
                  )}
                </Field>
              </div>
              <Of provider={typeOf(credential)} credential_id={credential.id} />
            </div>
          )
        }}
      </Loaded>
    </Page>
  )
}

export default Models
