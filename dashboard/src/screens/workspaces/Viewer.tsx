import { useQuery } from "@tanstack/react-query"
import { Download, Trash2 } from "lucide-react"
import { useState } from "react"
import { api, client } from "../../api/Api.ts"
import { useChange } from "../../api/Queries.ts"
import { serverUrl } from "../../app/Place.ts"
import { Button, IconButton } from "../../ui/Button.tsx"
import { CodeBlock } from "../../ui/CodeBlock.tsx"
import { Confirm } from "../../ui/Dialog.tsx"
import { Loaded } from "../../ui/Loaded.tsx"
import { bytes } from "../../ui/Numbers.ts"
import { Panel } from "../../ui/Page.tsx"
import { words } from "../../words/words.ts"

const text = words.workspaces

/** Longest file that is shown: a page with more of it would be slow. */
const maxShown = 512 * 1024

interface Read {
  readonly size: number
  /** Nothing where it is no text, or too long to be shown. */
  readonly text: string | undefined
}

const textOf = (data: Uint8Array): string | undefined => {
  try {
    const decoded = new TextDecoder("utf-8", { fatal: true }).decode(data)
    return decoded.includes("\0") ? undefined : decoded
  } catch {
    return undefined
  }
}

const read = async (session_id: string, path: string): Promise<Read> => {
  const leave = new AbortController()
  const response = await client.open("GET", "/workspace/files", {
    query: { session_id, path },
    headers: { accept: "*/*" },
    signal: leave.signal
  })
  const size = Number(response.headers.get("content-length") ?? 0)
  if (size > maxShown) {
    leave.abort()
    return { size, text: undefined }
  }
  const data = new Uint8Array(await response.arrayBuffer())
  return { size: data.length, text: textOf(data) }
}

export interface ViewerProps {
  readonly session_id: string
  readonly path: string
  readonly onRemoved: () => void
}

/** One file: its text, and what can be done with it. Nothing in it is ever run or drawn. */
export const Viewer = ({ onRemoved, path, session_id }: ViewerProps) => {
  const [isAsking, setAsking] = useState(false)
  const name = path.slice(path.lastIndexOf("/") + 1)
  const query = useQuery({
    queryKey: ["workspaces", "file", session_id, path],
    queryFn: () => read(session_id, path)
  })
  const download = useChange({
    run: () => api.workspaces.token({ urlParams: { session_id, path } }),
    next: ({ token }) => {
      const query = new URLSearchParams({ session_id, path, token, download: "true" })
      location.assign(`${serverUrl}/workspace/files?${query}`)
    }
  })
  const remove = useChange({
    run: () => api.workspaces.removeFile({ urlParams: { session_id, path } }),
    changes: ["workspaces"],
    done: words.app.removed,
    next: onRemoved
  })
  return (
    <Panel
      title={name}
      actions={
        <>
          <Button size="small" icon={Download} isBusy={download.isPending} onClick={() => download.mutate()}>
            {text.download}
          </Button>
          <IconButton icon={Trash2} label={`${text.removeFile}: ${name}`} onClick={() => setAsking(true)} />
          <Confirm
            isOpen={isAsking}
            onClose={() => setAsking(false)}
            title={words.app.removeWhat(name)}
            action={text.removeFile}
            isBusy={remove.isPending}
            onConfirm={() => remove.mutate()}
          />
        </>
      }
    >
      <Loaded query={query}>
        {({ size, text: content }) =>
          content === undefined
            ? <p className="text-sm text-muted">{size > maxShown ? text.tooLarge(bytes(size)) : text.binary}</p>
            : <CodeBlock text={content} label={name} />}
      </Loaded>
    </Panel>
  )
}
