/** One session, live. */
import { MessageSquare } from "lucide-react"
import { useEffect, useRef, useState } from "react"
import { type LiveSession, StoaProvider, useSession } from "stoa/client/React.ts"
import { client } from "../../api/Api.ts"
import { useChange } from "../../api/Queries.ts"
import { usePart } from "../../app/Address.ts"
import { titleOf } from "../../app/Branding.ts"
import { Empty } from "../../ui/Empty.tsx"
import { Skeleton } from "../../ui/Skeleton.tsx"
import { words } from "../../words/words.ts"
import { Composer } from "./Composer.tsx"
import { Connection } from "./Connection.tsx"
import { Elicitation } from "./Elicitation.tsx"
import { Events } from "./Events.tsx"
import { Head } from "./Head.tsx"
import { Permission } from "./Permission.tsx"
import { Recent } from "./Recent.tsx"
import { Transcript } from "./Transcript.tsx"
import { Waiting } from "./Waiting.tsx"

const text = words.chat

/** What has changed, for those who listen to the page: not each word, but that there is one, and what is asked of them. */
const useTold = ({ calls, run }: LiveSession): string => {
  const [told, setTold] = useState("")
  const was = useRef<string>(undefined)
  const asked = run?.waiting_for === undefined ? undefined : calls[0]?.name
  useEffect(() => {
    if (asked !== undefined) setTold(text.permission(asked))
    else if (run !== undefined) setTold(text.answering)
    else if (was.current !== undefined) setTold(text.answered)
    was.current = run?.run_id
  }, [asked, run?.run_id])
  return told
}

const Live = ({ session_id }: { readonly session_id: string }) => {
  const session = useSession(session_id)
  const [hasEvents, setEvents] = useState(false)
  const { connection, elicitations, isLoaded, messages, run, send, stop } = session
  const told = useTold(session)
  const stopping = useChange({ run: stop })
  const isEmpty = isLoaded && messages.length === 0
  return (
    <>
      <div className="flex min-w-0 flex-1 flex-col">
        <Head session={session} hasEvents={hasEvents} onEvents={() => setEvents(!hasEvents)} />
        <p role="status" className="sr-only">{told}</p>
        <Connection session={session} />
        {!isLoaded && messages.length === 0 && connection.state !== "ended" && (
          <div className="mx-auto w-full max-w-3xl flex-1 p-6">
            <Skeleton rows={6} />
          </div>
        )}
        {isEmpty && (
          <div className="mx-auto flex w-full max-w-3xl flex-1 flex-col justify-center p-6">
            <Empty icon={MessageSquare} title={text.emptyTitle}>{text.emptyAbout}</Empty>
          </div>
        )}
        {messages.length > 0 && (
          <Transcript session={session}>
            {run !== undefined && run.attempt > 1 && (
              <p className="mx-auto w-full max-w-3xl px-6 text-xs text-muted">{text.attempt(run.attempt)}</p>
            )}
            <Permission session={session} />
            {elicitations.map((question) => <Elicitation key={question.elicitation_id} question={question} />)}
          </Transcript>
        )}
        {messages.length === 0 && !isEmpty && <div className="flex-1" />}
        <Waiting session={session} />
        <Composer
          isRunning={run !== undefined}
          isDisabled={connection.state === "ended"}
          onSend={(input, busy) => send(input, run === undefined ? {} : { on_busy: busy })}
          onStop={() => stopping.mutate()}
        />
      </div>
      {hasEvents && <Events session_id={session_id} from={session.seq} onClose={() => setEvents(false)} />}
    </>
  )
}

const Chat = () => {
  const session_id = usePart("session_id")
  useEffect(() => {
    document.title = titleOf(text.title)
  }, [])
  return (
    <StoaProvider client={client}>
      <div className="relative flex h-full">
        <Recent />
        <Live key={session_id} session_id={session_id} />
      </div>
    </StoaProvider>
  )
}

export default Chat
