/** What a run waits for: a person's word about calls, or the results of tools that the client runs. */
import { useState } from "react"
import type { LiveSession } from "stoa/client/React.ts"
import type { ToolCallBlock } from "stoa/domain/Message.ts"
import { useChange } from "../../api/Queries.ts"
import { Button } from "../../ui/Button.tsx"
import { Field, TextArea } from "../../ui/Field.tsx"
import { LongText } from "../../ui/LongText.tsx"
import { plain } from "../../ui/Plain.ts"
import { words } from "../../words/words.ts"
import { prettyOf } from "./ToolCard.tsx"

const text = words.chat

type Decision = "allow" | "always" | "deny"

const isJson = (input: string): boolean => {
  try {
    JSON.parse(input)
    return true
  } catch {
    return false
  }
}

const Card = ({ about, children, title }: {
  readonly title: string
  readonly about: string
  readonly children: React.ReactNode
}) => (
  <section
    aria-label={title}
    className="appears mx-auto mt-2 w-[calc(100%-2rem)] max-w-[45rem] rounded-lg border border-warn bg-panel p-4 shadow-(--shadow)"
  >
    <h2 className="font-semibold">{title}</h2>
    <p className="mb-3 text-xs text-muted">{about}</p>
    {children}
  </section>
)

interface AskedProps {
  readonly call: ToolCallBlock
  readonly decide: (decision: Decision, input: string | undefined) => void
  readonly isBusy: boolean
}

const Asked = ({ call, decide, isBusy }: AskedProps) => {
  const [edited, setEdited] = useState<string>()
  const isValid = edited === undefined || isJson(edited)
  return (
    <Card title={text.permission(plain(call.name))} about={text.permissionAbout}>
      {edited === undefined
        ? (
          <div className="mb-3 rounded-md border border-line bg-sunken p-3">
            <LongText text={prettyOf(call.input)} label={text.arguments} />
          </div>
        )
        : (
          <div className="mb-3">
            <Field label={text.arguments} error={isValid ? undefined : text.notJson}>
              {(tied) => (
                <TextArea
                  {...tied}
                  rows={6}
                  className="font-mono text-xs"
                  value={edited}
                  onChange={(event) => setEdited(event.target.value)}
                />
              )}
            </Field>
          </div>
        )}
      <div className="flex flex-wrap gap-2">
        <Button look="primary" isBusy={isBusy} disabled={!isValid} onClick={() => decide("allow", edited)}>
          {text.allow}
        </Button>
        {call.suggested_rules.length > 0 && (
          <Button
            disabled={isBusy || !isValid}
            onClick={() => decide("always", edited)}
          >
            {text.allowAlways}
          </Button>
        )}
        <Button disabled={isBusy} onClick={() => decide("deny", undefined)}>{text.deny}</Button>
        {edited === undefined && (
          <Button look="quiet" disabled={isBusy} onClick={() => setEdited(prettyOf(call.input))}>
            {text.editArguments}
          </Button>
        )}
      </div>
    </Card>
  )
}

interface AwaitedProps {
  readonly call: ToolCallBlock
  readonly give: (output: string, state: "error" | "success") => void
  readonly isBusy: boolean
}

const Awaited = ({ call, give, isBusy }: AwaitedProps) => {
  const [output, setOutput] = useState("")
  return (
    <Card title={text.answers(plain(call.name))} about={text.answersAbout}>
      <div className="mb-3 rounded-md border border-line bg-sunken p-3">
        <LongText text={prettyOf(call.input)} label={text.arguments} />
      </div>
      <div className="mb-3">
        <Field label={text.result}>
          {(tied) => <TextArea {...tied} rows={3} value={output} onChange={(event) => setOutput(event.target.value)} />}
        </Field>
      </div>
      <div className="flex flex-wrap gap-2">
        <Button look="primary" isBusy={isBusy} onClick={() => give(output, "success")}>{text.giveResult}</Button>
        <Button disabled={isBusy} onClick={() => give(output, "error")}>{text.giveError}</Button>
      </div>
    </Card>
  )
}

export const Permission = ({ session: { answer, calls, run } }: { readonly session: LiveSession }) => {
  const { isPending, mutate } = useChange({ run: answer })
  if (run?.waiting_for === "external_execution") {
    return calls.map((call) => (
      <Awaited
        key={call.id}
        call={call}
        isBusy={isPending}
        give={(output, state) => mutate({ results: { [call.id]: { output, state } } })}
      />
    ))
  }
  return calls.map((call) => (
    <Asked
      key={call.id}
      call={call}
      isBusy={isPending}
      decide={(decision, input) =>
        mutate({
          decisions: [{
            confirmed: decision !== "deny",
            tool_call: { id: call.id, ...(input !== undefined && { input }) },
            ...(decision === "always" && { rules: call.suggested_rules })
          }]
        })}
    />
  ))
}
