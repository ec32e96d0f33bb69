import { Tabs as Radix } from "radix-ui"
import type { ReactNode } from "react"

export interface TabsProps {
  readonly value: string
  readonly onChange: (value: string) => void
  /** What the row of tabs is about. */
  readonly label: string
  readonly tabs: ReadonlyArray<{ readonly value: string; readonly label: ReactNode; readonly content: ReactNode }>
}

export const Tabs = ({ label, onChange, tabs, value }: TabsProps) => (
  <Radix.Root value={value} onValueChange={onChange}>
    <Radix.List aria-label={label} className="mb-4 flex gap-1 overflow-x-auto border-b border-line">
      {tabs.map(({ label, value }) => (
        <Radix.Trigger
          key={value}
          value={value}
          className="-mb-px border-b-2 border-transparent px-3 py-2 text-sm font-medium whitespace-nowrap text-muted hover:text-text data-[state=active]:border-accent data-[state=active]:text-text"
        >
          {label}
        </Radix.Trigger>
      ))}
    </Radix.List>
    {tabs.map(({ content, value }) => <Radix.Content key={value} value={value}>{content}</Radix.Content>)}
  </Radix.Root>
)
