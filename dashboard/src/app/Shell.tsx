/** What stands around every screen. */
import { Outlet, useRouterState } from "@tanstack/react-router"
import { Menu as MenuIcon, Search } from "lucide-react"
import { Dialog } from "radix-ui"
import { useEffect, useRef, useState } from "react"
import { IconButton } from "../ui/Button.tsx"
import { Toaster } from "../ui/Toaster.tsx"
import { words } from "../words/words.ts"
import { Account } from "./Account.tsx"
import { Navigation } from "./Navigation.tsx"
import { Offline } from "./Offline.tsx"
import { Palette } from "./Palette.tsx"

const isMac = /Mac|iPhone|iPad/.test(navigator.userAgent)

/** Opens the palette at ⌘K or Ctrl+K, wherever the focus is. */
const usePaletteKey = (open: () => void) => {
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      if (event.key.toLowerCase() !== "k" || !(event.metaKey || event.ctrlKey) || event.shiftKey || event.altKey) return
      event.preventDefault()
      open()
    }
    addEventListener("keydown", onKeyDown)
    return () => removeEventListener("keydown", onKeyDown)
  }, [open])
}

/** The focus goes to the content of a screen that was just opened, so that a keyboard and a screen reader begin there. */
const useFocusOnMove = () => {
  const main = useRef<HTMLElement>(null)
  const path = useRouterState({ select: ({ location }) => location.pathname })
  const before = useRef(path)
  useEffect(() => {
    if (before.current === path) return
    before.current = path
    main.current?.focus({ preventScroll: true })
  }, [path])
  return main
}

const Drawer = ({ onClose }: { readonly onClose: () => void }) => (
  <Dialog.Root open onOpenChange={onClose}>
    <Dialog.Portal>
      <Dialog.Overlay className="fixed inset-0 z-30 bg-black/45" />
      <Dialog.Content
        aria-describedby={undefined}
        className="fixed inset-y-0 left-0 z-30 w-64 border-r border-line bg-panel"
      >
        <Dialog.Title className="sr-only">{words.app.navigation}</Dialog.Title>
        <Navigation onGo={onClose} />
      </Dialog.Content>
    </Dialog.Portal>
  </Dialog.Root>
)

export const Shell = () => {
  const [isSearching, setSearching] = useState(false)
  const [isDrawn, setDrawn] = useState(false)
  const main = useFocusOnMove()
  usePaletteKey(() => setSearching(true))
  return (
    <div className="flex h-full">
      <a
        href="#content"
        onClick={(event) => {
          event.preventDefault()
          main.current?.focus()
        }}
        className="fixed top-2 left-2 z-50 -translate-y-20 rounded-md bg-accent px-3 py-2 text-on-accent focus:translate-y-0"
      >
        {words.app.skip}
      </a>
      <div className="w-56 shrink-0 border-r border-line bg-panel max-lg:hidden">
        <Navigation />
      </div>
      <div className="flex min-w-0 flex-1 flex-col">
        <header className="flex h-12 shrink-0 items-center gap-2 border-b border-line bg-panel px-3">
          <IconButton
            icon={MenuIcon}
            label={words.app.openNavigation}
            className="lg:hidden"
            onClick={() => setDrawn(true)}
          />
          <button
            type="button"
            onClick={() => setSearching(true)}
            className="flex h-8 w-72 max-w-full items-center gap-2 rounded-md border border-line bg-ground px-2.5 text-sm text-muted hover:bg-sunken"
          >
            <Search aria-hidden className="size-3.5" />
            <span className="flex-1 text-left">{words.app.search}</span>
            <kbd className="font-sans text-xs">{isMac ? "⌘K" : "Ctrl K"}</kbd>
          </button>
          <div className="flex-1" />
          <Account />
        </header>
        <Offline />
        <main ref={main} id="content" tabIndex={-1} className="min-h-0 flex-1 overflow-y-auto outline-none">
          <Outlet />
        </main>
      </div>
      {isDrawn && <Drawer onClose={() => setDrawn(false)} />}
      <Palette isOpen={isSearching} onClose={() => setSearching(false)} />
      <Toaster />
    </div>
  )
}
