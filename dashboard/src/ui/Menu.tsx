import type { LucideIcon } from "lucide-react"
import { DropdownMenu } from "radix-ui"
import type { ReactNode } from "react"

export interface MenuItem {
  readonly label: string
  readonly icon?: LucideIcon
  readonly onSelect: () => void
  readonly isDangerous?: boolean
  readonly isDisabled?: boolean
  /** A line is drawn above it. */
  readonly isFirstOfGroup?: boolean
}

export interface MenuProps {
  /** The button that opens it. */
  readonly children: ReactNode
  readonly items: ReadonlyArray<MenuItem>
  readonly heading?: ReactNode
  /** One of several, such as the theme. */
  readonly choice?: {
    readonly label: string
    readonly value: string
    readonly options: Readonly<Record<string, string>>
    readonly onChange: (value: string) => void
  }
}

const row =
  "flex w-full items-center gap-2 rounded-md px-2 py-1.5 text-sm outline-none select-none cursor-pointer data-highlighted:bg-sunken data-disabled:opacity-50"

export const Menu = ({ children, choice, heading, items }: MenuProps) => (
  <DropdownMenu.Root modal={false}>
    <DropdownMenu.Trigger asChild>{children}</DropdownMenu.Trigger>
    <DropdownMenu.Portal>
      <DropdownMenu.Content
        align="end"
        sideOffset={6}
        className="appears z-50 max-h-(--radix-dropdown-menu-content-available-height) min-w-48 overflow-y-auto rounded-lg border border-line bg-panel p-1 shadow-(--shadow)"
      >
        {heading !== undefined && <DropdownMenu.Label className="px-2 py-1.5 text-sm">{heading}</DropdownMenu.Label>}
        {choice !== undefined && (
          <DropdownMenu.RadioGroup value={choice.value} onValueChange={choice.onChange}>
            <DropdownMenu.Label className="px-2 pt-1.5 pb-1 text-xs text-muted">{choice.label}</DropdownMenu.Label>
            {Object.entries(choice.options).map(([value, label]) => (
              <DropdownMenu.RadioItem key={value} value={value} className={row}>
                <span className="inline-flex size-3.5 items-center justify-center">
                  <DropdownMenu.ItemIndicator className="size-1.5 rounded-full bg-accent" />
                </span>
                {label}
              </DropdownMenu.RadioItem>
            ))}
          </DropdownMenu.RadioGroup>
        )}
        {items.map(({ icon: Icon, isDangerous, isDisabled = false, isFirstOfGroup, label, onSelect }) => (
          <div key={label}>
            {isFirstOfGroup === true && <DropdownMenu.Separator className="my-1 h-px bg-line" />}
            <DropdownMenu.Item
              disabled={isDisabled}
              onSelect={onSelect}
              className={`${row} ${isDangerous === true ? "text-bad" : ""}`}
            >
              {Icon !== undefined && <Icon aria-hidden className="size-3.5 shrink-0" />}
              {label}
            </DropdownMenu.Item>
          </div>
        ))}
      </DropdownMenu.Content>
    </DropdownMenu.Portal>
  </DropdownMenu.Root>
)
