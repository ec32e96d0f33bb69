import { useNavigate } from "@tanstack/react-router"
import { Search } from "lucide-react"
import { Dialog } from "radix-ui"
import { type KeyboardEvent, useId, useState } from "react"
import { words } from "../words/words.ts"
import { changeTheme, themes } from "./Theme.ts"
import { useScreens } from "./useScreens.ts"

interface Entry {
  readonly label: string
  readonly kind: string
  readonly run: () => void
}

/** Whether the letters of the query come in this order, so that `cr` finds credentials. */
const fits = (label: string, query: string): boolean => {
  let from = 0
  const text = label.toLowerCase()
  for (const letter of query.toLowerCase().replaceAll(" ", "")) {
    const at = text.indexOf(letter, from)
    if (at < 0) return false
    from = at + 1
  }
  return true
}

const useEntries = (): ReadonlyArray<Entry> => {
  const navigate = useNavigate()
  return [
    ...useScreens().map(({ path, title }) => ({
      label: title,
      kind: words.app.paletteGo,
      run: () => void navigate({ to: path })
    })),
    ...themes.map((theme) => ({
      label: `${words.app.theme}: ${words.app.themes[theme]}`,
      kind: words.app.paletteDo,
      run: () => changeTheme(theme)
    }))
  ]
}

const Found = ({ onClose }: { readonly onClose: () => void }) => {
  const id = useId()
  const entries = useEntries()
  const [query, setQuery] = useState("")
  const [chosen, setChosen] = useState(0)
  // What begins with the query stands before what only has its letters.
  const starts = ({ label }: Entry) => label.toLowerCase().startsWith(query.toLowerCase()) ? 0 : 1
  const found = entries.filter(({ label }) => fits(label, query)).toSorted((a, b) => starts(a) - starts(b))
  const at = Math.min(chosen, found.length - 1)
  const run = (entry: Entry | undefined) => {
    if (entry === undefined) return
    onClose()
    entry.run()
  }
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "Enter") run(found[at])
    else if (event.key === "ArrowDown") setChosen(Math.min(at + 1, found.length - 1))
    else if (event.key === "ArrowUp") setChosen(Math.max(at - 1, 0))
    else return
    event.preventDefault()
  }
  return (
    <>
      <div className="flex items-center gap-2 border-b border-line px-4">
        <Search aria-hidden className="size-4 text-muted" />
        <input
          role="combobox"
          aria-expanded
          aria-controls={`${id}-list`}
          aria-activedescendant={at >= 0 ? `${id}-${at}` : undefined}
          aria-label={words.app.palette}
          placeholder={words.app.palette}
          value={query}
          onChange={(event) => {
            setQuery(event.target.value)
            setChosen(0)
          }}
          onKeyDown={onKeyDown}
          className="h-11 flex-1 bg-transparent outline-none placeholder:text-muted"
        />
      </div>
      <ul id={`${id}-list`} role="listbox" aria-label={words.app.palette} className="max-h-80 overflow-y-auto p-1.5">
        {found.map((entry, index) => (
          <li
            key={`${entry.kind} ${entry.label}`}
            id={`${id}-${index}`}
            role="option"
            aria-selected={index === at}
            ref={(item) => {
              if (index === at) item?.scrollIntoView({ block: "nearest" })
            }}
            onMouseMove={() => setChosen(index)}
            onClick={() => run(entry)}
            className="flex cursor-pointer items-center justify-between rounded-md px-2.5 py-2 text-sm aria-selected:bg-accent-soft"
          >
            {entry.label}
            <span className="text-xs text-muted">{entry.kind}</span>
          </li>
        ))}
      </ul>
      {found.length === 0 && <p className="px-4 pb-4 text-sm text-muted">{words.app.paletteNothing}</p>}
    </>
  )
}

/** Goes anywhere by a few letters. */
export const Palette = ({ isOpen, onClose }: { readonly isOpen: boolean; readonly onClose: () => void }) => (
  <Dialog.Root
    open={isOpen}
    onOpenChange={(isOpen) => isOpen || onClose()}
  >
    <Dialog.Portal>
      <Dialog.Overlay className="fixed inset-0 z-40 bg-black/45" />
      <Dialog.Content
        aria-describedby={undefined}
        className="appears fixed top-[12vh] left-1/2 z-40 w-[min(36rem,94vw)] -translate-x-1/2 overflow-hidden rounded-xl border border-line bg-panel shadow-(--shadow)"
      >
        <Dialog.Title className="sr-only">{words.app.palette}</Dialog.Title>
        <Found onClose={onClose} />
      </Dialog.Content>
    </Dialog.Portal>
  </Dialog.Root>
)
