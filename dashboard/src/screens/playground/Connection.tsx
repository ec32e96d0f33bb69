/** How the connection of a session is, when it is not as it should be. */
import { useEffect, useState } from "react"
import type { LiveSession } from "stoa/client/React.ts"
import { Button } from "../../ui/Button.tsx"
import { Notice } from "../../ui/Notice.tsx"
import { words } from "../../words/words.ts"

const text = words.chat

/** A connection that is lost for less than this, in milliseconds, is nothing to speak of. */
const patience = 1_500

const useLater = (isSo: boolean): boolean => {
  const [isLate, setLate] = useState(false)
  useEffect(() => {
    setLate(false)
    if (!isSo) return
    const timer = setTimeout(() => setLate(true), patience)
    return () => clearTimeout(timer)
  }, [isSo])
  return isLate
}

export const Connection = ({ session: { connection, reopen } }: { readonly session: LiveSession }) => {
  const { error, state } = connection
  const isWaiting = useLater(state === "waiting" || state === "connecting")
  if (state !== "ended" && !isWaiting) return null
  return (
    <div className="mx-auto w-full max-w-3xl px-4 pt-3 md:px-6">
      {state === "ended"
        ? (
          <Notice kind="bad" action={<Button size="small" onClick={reopen}>{words.app.tryAgain}</Button>}>
            {error?.status === 404 ? text.deleted : error?.status === 401 ? text.signedOut : error?.message}
          </Notice>
        )
        : <Notice kind="warn">{error === undefined ? text.connecting : text.waiting}</Notice>}
    </div>
  )
}
