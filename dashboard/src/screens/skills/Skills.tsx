import { useQuery } from "@tanstack/react-query"
import { GraduationCap, Upload } from "lucide-react"
import { api, client } from "../../api/Api.ts"
import { useChange } from "../../api/Queries.ts"
import { Badge } from "../../ui/Badge.tsx"
import { Empty } from "../../ui/Empty.tsx"
import { FileButton } from "../../ui/FileButton.tsx"
import { Loaded } from "../../ui/Loaded.tsx"
import { Page } from "../../ui/Page.tsx"
import { Table } from "../../ui/Table.tsx"
import { words } from "../../words/words.ts"

const text = words.skills

const Skills = () => {
  const upload = useChange({
    run: async (file: File) => {
      await client.open("POST", "/skill/upload", {
        body: file,
        headers: { "content-type": "application/zip" }
      })
      return file.name
    },
    changes: ["skills"],
    done: words.app.saved
  })
  const button = (
    <FileButton
      look="primary"
      icon={Upload}
      label={text.upload}
      accept=".zip"
      isBusy={upload.isPending}
      onFile={(file) => upload.mutate(file)}
    />
  )
  return (
    <Page title={text.title} about={text.about} actions={button}>
      <Loaded query={useQuery({ queryKey: ["skills"], queryFn: () => api.skills.library() })}>
        {(skills) =>
          skills.length === 0
            ? <Empty icon={GraduationCap} title={text.emptyTitle}>{text.emptyAbout}</Empty>
            : (
              <Table
                label={text.title}
                rows={skills}
                idOf={({ id }) => id}
                to={({ id }) => `/skills/${id}`}
                columns={[
                  { title: words.app.name, cell: ({ display_name, name }) => display_name || name },
                  { title: text.description, cell: ({ description }) => description },
                  {
                    title: words.app.status,
                    cell: ({ enabled, shared }) => (
                      <span className="flex gap-1">
                        <Badge tone={enabled ? "ok" : "plain"}>{enabled ? text.on : text.off}</Badge>
                        {shared && <Badge>{text.shared}</Badge>}
                      </span>
                    )
                  },
                  { title: text.version, isLess: true, cell: ({ version }) => version ?? "–" }
                ]}
              />
            )}
      </Loaded>
    </Page>
  )
}

export default Skills
