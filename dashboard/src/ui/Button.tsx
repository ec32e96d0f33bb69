import { LoaderCircle, type LucideIcon, X } from "lucide-react"
import type { ComponentProps } from "react"

const looks = {
  primary: "border-transparent bg-accent text-on-accent hover:not-disabled:brightness-110",
  usual: "border-line bg-panel text-text hover:not-disabled:bg-sunken",
  quiet: "border-transparent bg-transparent text-text hover:not-disabled:bg-sunken",
  danger: "border-transparent bg-bad text-on-accent hover:not-disabled:brightness-110"
}

const sizes = { usual: "h-8 px-3 gap-1.5 text-sm", small: "h-7 px-2 gap-1 text-xs" }

/** For what looks like a button and is a link. */
export const buttonLook = (look: keyof typeof looks = "usual", size: keyof typeof sizes = "usual"): string =>
  `inline-flex shrink-0 items-center justify-center rounded-md border font-medium whitespace-nowrap no-underline ` +
  `transition-[filter,background-color] duration-100 disabled:opacity-50 disabled:cursor-not-allowed ${looks[look]} ${
    sizes[size]
  }`

export interface ButtonProps extends ComponentProps<"button"> {
  readonly look?: keyof typeof looks
  readonly size?: keyof typeof sizes
  readonly icon?: LucideIcon
  /** It waits for an answer; it cannot be pressed a second time meanwhile. */
  readonly isBusy?: boolean
}

export const Button = (
  { children, className = "", disabled, icon: Icon, isBusy = false, look, size, type = "button", ...props }: ButtonProps
) => (
  <button
    type={type}
    disabled={disabled === true || isBusy}
    aria-busy={isBusy || undefined}
    className={`${buttonLook(look, size)} ${className}`}
    {...props}
  >
    {isBusy
      ? <LoaderCircle aria-hidden className="size-3.5 animate-spin" />
      : Icon !== undefined && <Icon aria-hidden className="size-3.5" />}
    {children}
  </button>
)

export interface IconButtonProps extends ComponentProps<"button"> {
  readonly icon: LucideIcon
  /** What it does, for those who do not see the icon. */
  readonly label: string
  readonly isPressed?: boolean
}

/** A button that is an icon alone. */
export const IconButton = (
  { className = "", icon: Icon, isPressed, label, type = "button", ...props }: IconButtonProps
) => (
  <button
    type={type}
    aria-label={label}
    aria-pressed={isPressed}
    title={label}
    className={`inline-flex size-7 shrink-0 items-center justify-center rounded-md text-muted hover:bg-sunken hover:text-text disabled:opacity-50 ${className}`}
    {...props}
  >
    <Icon aria-hidden className="size-4" />
  </button>
)

export const CloseButton = ({ label, ...props }: ComponentProps<"button"> & { readonly label: string }) => (
  <IconButton icon={X} label={label} className="-my-1 -mr-1" {...props} />
)
