/** A chat with one session: what was said, what is being said, and what the agent asks. */
import { createElement as h, type FunctionComponent, useState } from "react"
import type { Message } from "../../src/domain/Message.ts"
import { textOf } from "../../src/domain/MessageText.ts"
import { type LiveSession, useRuns, useSession } from "../../src/http/client/React.ts"

const Said: FunctionComponent<{ readonly message: Message }> = ({ message }) =>
  h("p", { className: message.role }, h("b", null, message.name), ": ", textOf(message.content))

/** Lets a person decide about the calls that the run waits with. */
const Question: FunctionComponent<{ readonly session: LiveSession }> = ({ session: { answer, calls } }) =>
  h(
    "div",
    { role: "group", "aria-label": "Permission" },
    calls.map(({ id, input, name }) => h("code", { key: id }, `${name} ${input}`)),
    h("button", { onClick: () => answer({ approve: true }) }, "Allow"),
    h("button", { onClick: () => answer({ approve: false }) }, "Deny")
  )

const Composer: FunctionComponent<{ readonly session: LiveSession }> = ({ session: { run, send, stop } }) => {
  const [text, setText] = useState("")
  return h(
    "form",
    {
      onSubmit: (event) => {
        event.preventDefault()
        setText("")
        // What did not arrive is given back.
        send(text).catch(() => setText(text))
      }
    },
    h("textarea", {
      "aria-label": "Message",
      value: text,
      onChange: ({ target }) => setText("value" in target ? String(target.value) : "")
    }),
    h("button", { type: "submit", disabled: text === "" }, "Send"),
    run !== undefined && h("button", { type: "button", onClick: stop }, "Stop")
  )
}

export const Chat: FunctionComponent<{ readonly session_id: string }> = ({ session_id }) => {
  const session = useSession(session_id)
  const { calls, connection, hasOlder, loadOlder, messages, queue, run } = session
  return h(
    "main",
    null,
    connection.state !== "live" && h("p", { role: "status" }, connection.error?.message ?? "Connecting …"),
    hasOlder && h("button", { onClick: loadOlder }, "Older messages"),
    messages.map((message) => h(Said, { key: message.id, message })),
    run?.waiting_for === "user_confirmation" && calls.length > 0 && h(Question, { session }),
    queue.map(({ run_id }) => h("p", { key: run_id }, "One more input waits its turn.")),
    h(Composer, { session })
  )
}

/** The newest runs of all sessions. */
export const Runs: FunctionComponent = () => {
  const { runs } = useRuns({ limit: 5 }, { every: 1_000 })
  return h("ul", { "aria-label": "Runs" }, runs.map(({ id, status }) => h("li", { key: id }, status)))
}
