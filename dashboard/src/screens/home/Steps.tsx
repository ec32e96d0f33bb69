import { Link } from "@tanstack/react-router"
import { Check, X } from "lucide-react"
import { type ReactNode, useState } from "react"
import { typeOf, useAgents, useCredentials, useSchedules } from "../../api/Lists.ts"
import { Button, IconButton } from "../../ui/Button.tsx"
import { CodeBlock } from "../../ui/CodeBlock.tsx"
import { Panel } from "../../ui/Page.tsx"
import { words } from "../../words/words.ts"
import { useRecentRuns } from "./Activity.ts"

const text = words.home

const demo = "demo_credential"

/** What this browser remembers of the first steps. */
const hiddenKey = "stoa.steps.hidden"
const killedKey = "stoa.steps.killed"

interface Step {
  readonly name: keyof typeof text.steps
  readonly to: string
  readonly isDone: boolean
  readonly more?: ReactNode
}

const useSteps = (hasKilled: boolean, onKilled: () => void): ReadonlyArray<Step> => {
  const agents = useAgents().data?.agents ?? []
  const credentials = useCredentials().data?.credentials ?? []
  const schedules = useSchedules().data?.schedules ?? []
  const runs = useRecentRuns().data?.runs ?? []
  const isReal = (type: string | undefined) => type !== undefined && type !== demo
  return [
    { name: "talk", to: "/chat", isDone: runs.length > 0 },
    { name: "key", to: "/credentials/new", isDone: credentials.some((one) => isReal(typeOf(one))) },
    {
      name: "model",
      to: agents[0] === undefined ? "/agents/new" : `/agents/${agents[0].id}`,
      isDone: agents.some(({ data }) => isReal(data.chat_model_config?.type))
    },
    {
      name: "tool",
      to: agents[0] === undefined ? "/agents/new" : `/agents/${agents[0].id}`,
      isDone: agents.some(({ data: { tools } }) => tools === "all" || typeof tools === "object")
    },
    { name: "schedule", to: "/schedules/new", isDone: schedules.length > 0 },
    {
      name: "kill",
      to: "/chat",
      isDone: hasKilled,
      more: !hasKilled && (
        <div className="mt-2 flex flex-col gap-2">
          <CodeBlock text={text.steps.kill.command} label={text.steps.kill.title} />
          <Button size="small" className="self-start" onClick={onKilled}>{text.steps.kill.done}</Button>
        </div>
      )
    }
  ]
}

/** Leads a newcomer from the first answer to an agent that works by the clock. */
export const Steps = () => {
  const [isHidden, setHidden] = useState(localStorage.getItem(hiddenKey) === "1")
  const [hasKilled, setKilled] = useState(localStorage.getItem(killedKey) === "1")
  const steps = useSteps(hasKilled, () => {
    localStorage.setItem(killedKey, "1")
    setKilled(true)
  })
  const done = steps.filter(({ isDone }) => isDone).length
  if (isHidden || done === steps.length) return null
  const hide = () => {
    localStorage.setItem(hiddenKey, "1")
    setHidden(true)
  }
  return (
    <Panel
      title={text.first}
      actions={
        <>
          <span className="text-xs text-muted">{text.firstAbout(done, steps.length)}</span>
          <IconButton icon={X} label={text.hide} onClick={hide} />
        </>
      }
    >
      <ol className="flex flex-col gap-3">
        {steps.map(({ isDone, more, name, to }, index) => (
          <li key={name} className="flex gap-3">
            <span
              aria-hidden
              className={`inline-flex size-6 shrink-0 items-center justify-center rounded-full text-xs font-semibold ${
                isDone ? "bg-ok-soft text-ok" : "bg-sunken text-muted"
              }`}
            >
              {isDone ? <Check className="size-3.5" /> : index + 1}
            </span>
            <div className="min-w-0 flex-1 text-sm">
              <Link to={to} className={isDone ? "text-muted" : "font-medium"}>
                {text.steps[name].title}
                {isDone && <span className="sr-only">({words.app.done})</span>}
              </Link>
              {!isDone && <p className="text-muted">{text.steps[name].about}</p>}
              {more}
            </div>
          </li>
        ))}
      </ol>
    </Panel>
  )
}
