import { CircleAlert, CircleCheck, Info } from "lucide-react"
import { Toast } from "radix-ui"
import { words } from "../words/words.ts"
import { CloseButton } from "./Button.tsx"
import { dismiss, useToasts } from "./Toasts.ts"

const looks = {
  ok: { icon: CircleCheck, color: "text-ok" },
  bad: { icon: CircleAlert, color: "text-bad" },
  info: { icon: Info, color: "text-accent" }
}

/** How long a note stays, in milliseconds; a failure stays longer, because it is to be read. */
const stays = { ok: 3_500, info: 5_000, bad: 12_000 }

export const Toaster = () => (
  <Toast.Provider swipeDirection="right">
    {useToasts().map(({ id, kind, text }) => {
      const { color, icon: Icon } = looks[kind]
      return (
        <Toast.Root
          key={id}
          duration={stays[kind]}
          type={kind === "bad" ? "foreground" : "background"}
          onOpenChange={(isOpen) => isOpen || dismiss(id)}
          className="appears flex items-start gap-2.5 rounded-lg border border-line bg-panel p-3 shadow-(--shadow)"
        >
          <Icon aria-hidden className={`mt-0.5 size-4 shrink-0 ${color}`} />
          <Toast.Description className="min-w-0 flex-1 text-sm break-words">{text}</Toast.Description>
          <Toast.Close asChild>
            <CloseButton label={words.app.dismiss} />
          </Toast.Close>
        </Toast.Root>
      )
    })}
    <Toast.Viewport className="fixed right-4 bottom-4 z-50 flex w-88 max-w-[calc(100vw-2rem)] flex-col gap-2 outline-none" />
  </Toast.Provider>
)
