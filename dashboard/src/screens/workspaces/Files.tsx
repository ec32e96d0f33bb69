import { useQuery } from "@tanstack/react-query"
import { CornerLeftUp, File as FileIcon, Folder, GitBranch, Upload } from "lucide-react"
import { api, client } from "../../api/Api.ts"
import { useChange } from "../../api/Queries.ts"
import { useWord } from "../../app/Address.ts"
import { FileButton } from "../../ui/FileButton.tsx"
import { Loaded } from "../../ui/Loaded.tsx"
import { Notice } from "../../ui/Notice.tsx"
import { bytes } from "../../ui/Numbers.ts"
import { words } from "../../words/words.ts"
import { Viewer } from "./Viewer.tsx"

const text = words.workspaces

const join = (folder: string, name: string) => `${folder === "/" ? "" : folder}/${name}`
const above = (path: string) => path.slice(0, path.lastIndexOf("/")) || "/"

const row = "flex w-full items-center gap-2 px-3 py-1.5 text-left text-sm hover:bg-sunken aria-pressed:bg-accent-soft"

/** The folders and files of a session's workspace, and one of the files. */
export const Files = ({ session_id }: { readonly session_id: string }) => {
  const [folder, setFolder] = useWord("folder")
  const [file, setFile] = useWord("file")
  const status = useQuery({
    queryKey: ["workspaces", "status", session_id],
    queryFn: () => api.workspaces.status({ urlParams: { session_id } })
  })
  const listing = useQuery({
    queryKey: ["workspaces", "folder", session_id, folder],
    queryFn: () => api.workspaces.directories({ urlParams: { session_id, path: folder } })
  })
  const upload = useChange({
    run: async ({ into, taken }: { readonly into: string; readonly taken: File }) => {
      await client.open("PUT", "/workspace/files", {
        query: { session_id, path: join(into, taken.name) },
        body: taken,
        headers: { "content-type": "application/octet-stream" }
      })
    },
    changes: ["workspaces"],
    done: words.app.saved
  })
  return (
    <div className="grid items-start gap-4 lg:grid-cols-[1fr_2fr]">
      <Loaded query={listing}>
        {({ entries, path, truncated }) => (
          <section aria-label={text.folder} className="overflow-hidden rounded-lg border border-line bg-panel">
            <header className="flex items-center gap-2 border-b border-line px-3 py-2">
              <div className="min-w-0 flex-1">
                <p className="truncate font-mono text-xs" title={path}>{path}</p>
                {status.data?.git?.branch !== undefined && status.data.git?.branch !== null && (
                  <p className="flex items-center gap-1 text-xs text-muted">
                    <GitBranch aria-hidden className="size-3" />
                    {status.data.git.branch}
                  </p>
                )}
              </div>
              <FileButton
                icon={Upload}
                label={text.upload}
                isBusy={upload.isPending}
                onFile={(taken) =>
                  upload.mutate({ into: path, taken })}
              />
            </header>
            <ul>
              {path !== status.data?.workdir && status.data !== undefined && (
                <li>
                  <button
                    type="button"
                    className={row}
                    onClick={() => setFolder(above(path))}
                  >
                    <CornerLeftUp aria-hidden className="size-4 text-muted" />
                    {text.up}
                  </button>
                </li>
              )}
              {entries.map(({ is_dir, name, size_bytes }) => (
                <li key={name}>
                  <button
                    type="button"
                    className={row}
                    aria-pressed={is_dir ? undefined : file === join(path, name)}
                    onClick={() => is_dir ? setFolder(join(path, name)) : setFile(join(path, name))}
                  >
                    {is_dir
                      ? <Folder aria-hidden className="size-4 text-accent" />
                      : <FileIcon aria-hidden className="size-4 text-muted" />}
                    <span className="min-w-0 flex-1 truncate">{name}</span>
                    {size_bytes !== null && <span className="text-xs text-muted">{bytes(size_bytes)}</span>}
                  </button>
                </li>
              ))}
            </ul>
            {entries.length === 0 && <p className="px-3 py-4 text-sm text-muted">{text.emptyFolder}</p>}
            {truncated && <Notice>{text.truncated}</Notice>}
          </section>
        )}
      </Loaded>
      {file === ""
        ? <p className="py-10 text-center text-sm text-muted">{text.chooseFile}</p>
        : <Viewer key={file} session_id={session_id} path={file} onRemoved={() => setFile("")} />}
    </div>
  )
}
