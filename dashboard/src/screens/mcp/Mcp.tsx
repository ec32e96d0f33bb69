import { Plus } from "lucide-react"
import { useState } from "react"
import { useWord } from "../../app/Address.ts"
import { Button } from "../../ui/Button.tsx"
import { Page } from "../../ui/Page.tsx"
import { Tabs } from "../../ui/Tabs.tsx"
import { words } from "../../words/words.ts"
import { AddServer } from "./AddServer.tsx"
import { InWorkspace } from "./InWorkspace.tsx"
import { Library } from "./Library.tsx"

const text = words.mcp

const Mcp = () => {
  const [tab, setTab] = useWord("tab", "library")
  const [isAdding, setAdding] = useState(false)
  return (
    <Page
      title={text.title}
      about={text.about}
      actions={<Button look="primary" icon={Plus} onClick={() => setAdding(true)}>{text.add}</Button>}
    >
      <Tabs
        label={text.title}
        value={tab}
        onChange={setTab}
        tabs={[
          { value: "library", label: text.library, content: <Library onAdd={() => setAdding(true)} /> },
          { value: "workspace", label: text.ofWorkspace, content: <InWorkspace /> }
        ]}
      />
      {isAdding && <AddServer onClose={() => setAdding(false)} />}
    </Page>
  )
}

export default Mcp
