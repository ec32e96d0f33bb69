import { useQuery } from "@tanstack/react-query"
import { useNavigate } from "@tanstack/react-router"
import { Trash2 } from "lucide-react"
import { useState } from "react"
import { api } from "../../api/Api.ts"
import { useChange } from "../../api/Queries.ts"
import { usePart } from "../../app/Address.ts"
import { Button } from "../../ui/Button.tsx"
import { CodeBlock } from "../../ui/CodeBlock.tsx"
import { Confirm } from "../../ui/Dialog.tsx"
import { Loaded } from "../../ui/Loaded.tsx"
import { bytes } from "../../ui/Numbers.ts"
import { Page, Panel } from "../../ui/Page.tsx"
import { words } from "../../words/words.ts"

const text = words.skills

const One = () => {
  const skill_id = usePart("skill_id")
  const navigate = useNavigate()
  const [isAsking, setAsking] = useState(false)
  const query = useQuery({
    queryKey: ["skills", skill_id],
    queryFn: () => api.skills.inLibrary({ path: { skill_id } })
  })
  const remove = useChange({
    run: () => api.skills.removeFromLibrary({ path: { skill_id } }),
    changes: ["skills"],
    done: words.app.removed,
    next: () => void navigate({ to: "/skills" })
  })
  const name = query.data?.display_name ?? query.data?.name ?? words.app.loading
  return (
    <Page
      title={name}
      about={query.data?.description}
      above={[{ to: "/skills", title: text.title }]}
      actions={query.data?.editable === true && (
        <>
          <Button icon={Trash2} onClick={() => setAsking(true)}>{words.app.remove}</Button>
          <Confirm
            isOpen={isAsking}
            onClose={() => setAsking(false)}
            title={words.app.removeWhat(name)}
            action={words.app.remove}
            isBusy={remove.isPending}
            onConfirm={() => remove.mutate()}
          />
        </>
      )}
    >
      <Loaded query={query}>
        {({ files, markdown }) => (
          <div className="grid items-start gap-4 lg:grid-cols-[2fr_1fr]">
            <Panel title="SKILL.md">
              <CodeBlock text={markdown} label="SKILL.md" />
            </Panel>
            <Panel title={text.files}>
              <ul className="flex flex-col gap-1 text-sm">
                {files.map(({ path, size }) => (
                  <li key={path} className="flex justify-between gap-4">
                    <span className="font-mono text-xs break-all">{path}</span>
                    <span className="text-muted">{bytes(size)}</span>
                  </li>
                ))}
              </ul>
            </Panel>
          </div>
        )}
      </Loaded>
    </Page>
  )
}

export default One
