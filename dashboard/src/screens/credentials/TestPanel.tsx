import { CircleCheck, CircleX, Zap } from "lucide-react"
import { useEffect, useRef } from "react"
import { api } from "../../api/Api.ts"
import { useChange } from "../../api/Queries.ts"
import { useWord } from "../../app/Address.ts"
import { Badge } from "../../ui/Badge.tsx"
import { Button } from "../../ui/Button.tsx"
import { Panel } from "../../ui/Page.tsx"
import { words } from "../../words/words.ts"

const text = words.credentials

/** Most names of models that are listed at once. */
const most = 60

/** Tests a credential; one that was just made is tested by itself. */
export const TestPanel = ({ credential_id }: { readonly credential_id: string }) => {
  const [wish, setWish] = useWord("test")
  const test = useChange({ run: () => api.credentials.test({ path: { credential_id } }) })
  const { data, isPending, mutate } = test
  const isBegun = useRef(false)
  useEffect(() => {
    if (wish !== "1" || isBegun.current) return
    isBegun.current = true
    mutate()
    setWish("")
  }, [wish, mutate, setWish])
  return (
    <Panel
      title={text.test}
      actions={<Button size="small" icon={Zap} isBusy={isPending} onClick={() => mutate()}>{text.test}</Button>}
    >
      <div aria-live="polite" className="flex flex-col gap-3 text-sm">
        {data === undefined && <p className="text-muted">{isPending ? words.app.loading : text.testAbout}</p>}
        {data?.ok === true && (
          <>
            <p className="flex items-center gap-2 font-medium text-ok">
              <CircleCheck aria-hidden className="size-4" />
              {text.works(data.latency_ms)}
            </p>
            <div>
              <p className="mb-1.5 text-xs text-muted">{text.modelsFound(data.models.length)}</p>
              <ul className="flex flex-wrap gap-1">
                {data.models.slice(0, most).map((model) => (
                  <li key={model}>
                    <Badge>{model}</Badge>
                  </li>
                ))}
                {data.models.length > most && <li className="text-muted">…</li>}
              </ul>
            </div>
          </>
        )}
        {data?.ok === false && (
          <div className="flex gap-2 text-bad">
            <CircleX aria-hidden className="mt-0.5 size-4 shrink-0" />
            <div>
              <p className="font-medium">{text.fails}</p>
              <p className="break-words">{data.error?.message}</p>
            </div>
          </div>
        )}
      </div>
    </Panel>
  )
}
