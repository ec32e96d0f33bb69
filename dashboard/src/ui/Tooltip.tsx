import { Tooltip as Radix } from "radix-ui"
import type { ReactNode } from "react"

/** More about what the pointer or the focus is on. `children` must be something that can have the focus. */
export const Tooltip = ({ children, text }: { readonly children: ReactNode; readonly text: ReactNode }) => (
  <Radix.Provider delayDuration={250}>
    <Radix.Root>
      <Radix.Trigger asChild>{children}</Radix.Trigger>
      <Radix.Portal>
        <Radix.Content
          sideOffset={6}
          className="appears z-50 max-w-72 rounded-md bg-text px-2 py-1 text-xs text-ground shadow-(--shadow)"
        >
          {text}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  </Radix.Provider>
)
