import { Dialog as Radix } from "radix-ui"
import type { ReactNode } from "react"
import { words } from "../words/words.ts"
import { Button, CloseButton } from "./Button.tsx"

export interface DialogProps {
  readonly isOpen: boolean
  readonly onClose: () => void
  readonly title: string
  /** A sentence below the title. */
  readonly about?: ReactNode
  readonly isWide?: boolean
  /** The buttons at its end. */
  readonly actions?: ReactNode
  readonly children?: ReactNode
}

export const Dialog = ({ about, actions, children, isOpen, isWide = false, onClose, title }: DialogProps) => (
  <Radix.Root
    open={isOpen}
    onOpenChange={(isOpen) => isOpen || onClose()}
  >
    <Radix.Portal>
      <Radix.Overlay className="fixed inset-0 z-40 bg-black/45" />
      <Radix.Content
        {...(about === undefined && { "aria-describedby": undefined })}
        className={`appears fixed top-[8vh] left-1/2 z-40 flex max-h-[84vh] -translate-x-1/2 flex-col rounded-xl border border-line bg-panel shadow-(--shadow) ${
          isWide ? "w-[min(52rem,94vw)]" : "w-[min(32rem,94vw)]"
        }`}
      >
        <header className="flex items-start gap-3 px-5 pt-4 pb-2">
          <div className="min-w-0 flex-1">
            <Radix.Title className="text-lg font-semibold break-words">{title}</Radix.Title>
            {about !== undefined && <Radix.Description className="mt-1 text-sm text-muted">{about}</Radix.Description>}
          </div>
          <Radix.Close asChild>
            <CloseButton label={words.app.close} className="" />
          </Radix.Close>
        </header>
        <div className="min-h-0 overflow-y-auto px-5 py-2" tabIndex={-1}>{children}</div>
        {actions !== undefined && <footer className="flex justify-end gap-2 px-5 pt-2 pb-4">{actions}</footer>}
      </Radix.Content>
    </Radix.Portal>
  </Radix.Root>
)

export interface ConfirmProps {
  readonly isOpen: boolean
  readonly onClose: () => void
  readonly title: string
  readonly about?: ReactNode
  /** The word on the button that does it. */
  readonly action: string
  readonly onConfirm: () => void
  readonly isBusy?: boolean
}

/** Asks before something is done that cannot be undone. */
export const Confirm = ({ about, action, isBusy = false, isOpen, onClose, onConfirm, title }: ConfirmProps) => (
  <Dialog
    isOpen={isOpen}
    onClose={onClose}
    title={title}
    about={about ?? words.app.removeAbout}
    actions={
      <>
        <Button onClick={onClose}>{words.app.cancel}</Button>
        <Button look="danger" isBusy={isBusy} onClick={onConfirm}>{action}</Button>
      </>
    }
  />
)
