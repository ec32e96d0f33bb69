import { FolderTree } from "lucide-react"
import { useWord } from "../../app/Address.ts"
import { SessionPicker, useNewestSessions } from "../../pickers/SessionPicker.tsx"
import { Empty } from "../../ui/Empty.tsx"
import { Loaded } from "../../ui/Loaded.tsx"
import { Page } from "../../ui/Page.tsx"
import { Tabs } from "../../ui/Tabs.tsx"
import { words } from "../../words/words.ts"
import { All } from "./All.tsx"
import { Files } from "./Files.tsx"

const text = words.workspaces

const OfSession = () => {
  const [chosen, setChosen] = useWord("session")
  return (
    <Loaded query={useNewestSessions()}>
      {({ sessions }) => {
        const session_id = chosen || sessions[0]?.id
        return session_id === undefined
          ? <Empty icon={FolderTree} title={text.emptyTitle}>{text.emptyAbout}</Empty>
          : (
            <div className="flex flex-col gap-4">
              <div className="max-w-sm">
                <SessionPicker value={session_id} onChange={setChosen} />
              </div>
              <Files key={session_id} session_id={session_id} />
            </div>
          )
      }}
    </Loaded>
  )
}

const Workspaces = () => {
  const [tab, setTab] = useWord("tab", "files")
  return (
    <Page title={text.title} about={text.about}>
      <Tabs
        label={text.title}
        value={tab}
        onChange={setTab}
        tabs={[
          { value: "files", label: text.files, content: <OfSession /> },
          { value: "all", label: words.app.all, content: <All /> }
        ]}
      />
    </Page>
  )
}

export default Workspaces
