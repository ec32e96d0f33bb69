/** A question that the server of a tool asks a person: a form, or an address to open. */
import { useState } from "react"
import type { Question } from "stoa/client/Store.ts"
import { client } from "../../api/Api.ts"
import { useChange } from "../../api/Queries.ts"
import { problemsOf } from "../../forms/Problems.ts"
import type { JsonObject, JsonSchema } from "../../forms/Schema.ts"
import { SchemaForm } from "../../forms/SchemaForm.tsx"
import { Button, buttonLook } from "../../ui/Button.tsx"
import { plain } from "../../ui/Plain.ts"
import { words } from "../../words/words.ts"

const text = words.chat

export const Elicitation = ({ question }: { readonly question: Question }) => {
  const { elicitation_id, message, requested_schema, session_id, url } = question
  const [value, setValue] = useState<JsonObject>({})
  const { isPending, mutate } = useChange({
    run: (action: "accept" | "decline") =>
      client.open(
        "POST",
        `/sessions/${encodeURIComponent(session_id)}/elicitations/${encodeURIComponent(elicitation_id)}`,
        {
          body: { action, ...(action === "accept" && requested_schema !== null && { content: value }) }
        }
      )
  })
  const schema = requested_schema as JsonSchema | null
  const problems = schema === null ? {} : problemsOf(schema, value)
  return (
    <section
      aria-label={text.asks}
      className="appears mx-auto mt-2 w-[calc(100%-2rem)] max-w-[45rem] rounded-lg border border-warn bg-panel p-4 shadow-(--shadow)"
    >
      <h2 className="font-semibold">{text.asks}</h2>
      <p dir="auto" className="mb-3 text-sm whitespace-pre-wrap">{plain(message.slice(0, 8_192))}</p>
      {schema !== null && (
        <div className="mb-3">
          <SchemaForm schema={schema} value={value} problems={problems} onChange={setValue} />
        </div>
      )}
      <div className="flex flex-wrap gap-2">
        {url !== null && /^https?:\/\//.test(url) && (
          <a href={url} target="_blank" rel="noopener noreferrer" className={buttonLook()}>
            {text.open} {new URL(url).host}
          </a>
        )}
        <Button look="primary" isBusy={isPending} onClick={() => mutate("accept")}>{text.answerIt}</Button>
        <Button disabled={isPending} onClick={() => mutate("decline")}>{text.decline}</Button>
      </div>
    </section>
  )
}
