import { useQuery } from "@tanstack/react-query"
import { Plus, X } from "lucide-react"
import { type FormEvent, useState } from "react"
import { api } from "../../api/Api.ts"
import { sentenceOf } from "../../api/Queries.ts"
import { problemsOf } from "../../forms/Problems.ts"
import type { JsonSchema } from "../../forms/Schema.ts"
import { SchemaForm } from "../../forms/SchemaForm.tsx"
import { ModelPicker } from "../../pickers/ModelPicker.tsx"
import { Button, IconButton } from "../../ui/Button.tsx"
import { Field, Input, TextArea } from "../../ui/Field.tsx"
import { Notice } from "../../ui/Notice.tsx"
import { Panel } from "../../ui/Page.tsx"
import { words } from "../../words/words.ts"
import { type Draft, formParts } from "./Draft.ts"
import { Names } from "./Names.tsx"

const text = words.agents

interface PartProps {
  readonly draft: Draft
  readonly onChange: (draft: Draft) => void
}

const nothing: JsonSchema = {}

/** What the server's form says of the rest of an agent. */
const useMoreSchema = (): JsonSchema => {
  const { data } = useQuery({ queryKey: ["agent-form"], queryFn: () => api.agents.form(), staleTime: Infinity })
  // The form is a JSON schema by the API's own word.
  const { properties = {} } = (data?.schema ?? nothing) as JsonSchema
  return {
    type: "object",
    properties: Object.fromEntries(
      formParts.flatMap((name) => properties[name] === undefined ? [] : [[name, properties[name]]])
    )
  }
}

const Fallbacks = ({ draft, onChange }: PartProps) => {
  const { fallback_chat_model_configs: configs } = draft
  const change = (to: Draft["fallback_chat_model_configs"]) => onChange({ ...draft, fallback_chat_model_configs: to })
  return (
    <fieldset className="flex flex-col gap-2">
      <legend className="text-sm font-medium">{text.fallback}</legend>
      <p className="text-xs text-muted">{text.fallbackAbout}</p>
      {configs.map((config, index) => (
        <div key={`${index} ${config.credential_id}`} className="flex items-end gap-1">
          <div className="flex-1">
            <ModelPicker
              isShort
              value={config}
              onChange={(to) => change(to === null ? configs.toSpliced(index, 1) : configs.with(index, to))}
            />
          </div>
          <IconButton
            icon={X}
            label={text.removeFallback}
            className="size-8"
            onClick={() => change(configs.toSpliced(index, 1))}
          />
        </div>
      ))}
      <Button
        size="small"
        icon={Plus}
        className="self-start"
        onClick={() => change([...configs, { type: "", credential_id: "", model: "", parameters: {} }])}
      >
        {text.addFallback}
      </Button>
    </fieldset>
  )
}

const Tools = ({ draft, onChange }: PartProps) => (
  <Panel title={text.tools}>
    <div className="flex flex-col gap-3.5">
      <Names
        label={text.toolChoice}
        choices={text.toolChoices}
        namesLabel={text.toolNames}
        namesAbout={text.toolNamesAbout}
        value={draft.tools}
        onChange={(tools) => onChange({ ...draft, tools })}
      />
      <Names
        label={text.channels}
        choices={text.channelChoices}
        namesLabel={text.channelNames}
        value={draft.channels}
        onChange={(channels) => onChange({ ...draft, channels })}
      />
    </div>
  </Panel>
)

const Identity = ({ draft, onChange }: PartProps) => (
  <Panel>
    <div className="flex flex-col gap-3.5">
      <Field label={words.app.name}>
        {(tied) => (
          <Input
            {...tied}
            required
            maxLength={256}
            value={draft.name}
            onChange={(event) => onChange({ ...draft, name: event.target.value })}
          />
        )}
      </Field>
      <Field label={text.description} about={text.descriptionAbout} isOptional>
        {(tied) => (
          <Input
            {...tied}
            value={draft.description}
            onChange={(event) => onChange({ ...draft, description: event.target.value })}
          />
        )}
      </Field>
      <Field label={text.instructions} about={text.instructionsAbout}>
        {(tied) => (
          <TextArea
            {...tied}
            rows={12}
            value={draft.system_prompt}
            onChange={(event) => onChange({ ...draft, system_prompt: event.target.value })}
          />
        )}
      </Field>
    </div>
  </Panel>
)

export interface AgentFormProps {
  readonly initial: Draft
  readonly action: string
  readonly isBusy: boolean
  readonly isFixed?: boolean
  readonly error: Error | null
  readonly onSave: (draft: Draft) => void
}

export const AgentForm = ({ action, error, initial, isBusy, isFixed = false, onSave }: AgentFormProps) => {
  const [draft, setDraft] = useState(initial)
  const schema = useMoreSchema()
  const problems = problemsOf(schema, draft.more)
  const send = (event: FormEvent) => {
    event.preventDefault()
    if (Object.keys(problems).length === 0) onSave(draft)
  }
  return (
    <form onSubmit={send}>
      <fieldset disabled={isFixed} className="grid items-start gap-4 lg:grid-cols-[3fr_2fr]">
        <Identity draft={draft} onChange={setDraft} />
        <div className="flex flex-col gap-4">
          <Panel title={text.model}>
            <div className="flex flex-col gap-3.5">
              <ModelPicker
                value={draft.chat_model_config}
                onChange={(chat_model_config) => setDraft({ ...draft, chat_model_config })}
              />
              <Fallbacks draft={draft} onChange={setDraft} />
            </div>
          </Panel>
          <Tools draft={draft} onChange={setDraft} />
          <Panel title={text.behaviour}>
            <SchemaForm
              schema={schema}
              value={draft.more}
              problems={problems}
              onChange={(more) => setDraft({ ...draft, more })}
            />
          </Panel>
        </div>
      </fieldset>
      <div className="sticky bottom-0 mt-4 flex flex-col gap-3 border-t border-line bg-ground py-3">
        {error !== null && <Notice kind="bad">{sentenceOf(error)}</Notice>}
        <Button type="submit" look="primary" isBusy={isBusy} disabled={isFixed} className="self-start">
          {action}
        </Button>
      </div>
    </form>
  )
}
