import { Link, useRouterState } from "@tanstack/react-router"
import { words } from "../words/words.ts"
import { useConfig } from "./Configured.ts"
import { ownUrl } from "./Place.ts"
import { groups } from "./Screen.ts"
import { useScreens } from "./useScreens.ts"

const Brand = () => {
  const { logo, subtitle, title } = useConfig()
  return (
    <Link to="/" className="flex items-center gap-2.5 px-2 py-1 text-text no-underline">
      <img src={ownUrl(logo ? "logo" : "favicon.svg")} alt="" className="h-7 max-w-28 rounded-md object-contain" />
      <span className="min-w-0">
        <span className="block truncate leading-tight font-semibold">{title}</span>
        {subtitle !== null && <span className="block truncate text-xs text-muted">{subtitle}</span>}
      </span>
    </Link>
  )
}

/** All screens that the reader may see, in groups. `onGo` closes what it stands in. */
export const Navigation = ({ onGo }: { readonly onGo?: () => void }) => {
  const screens = useScreens()
  const path = useRouterState({ select: ({ location }) => location.pathname })
  const isHere = (to: string) => to === "/" ? path === "/" : path === to || path.startsWith(`${to}/`)
  return (
    <nav aria-label={words.app.navigation} className="flex h-full flex-col gap-1 overflow-y-auto p-3">
      <Brand />
      {groups.map((group) => {
        const inGroup = screens.filter((screen) => screen.group === group)
        return inGroup.length === 0 ? null : (
          <div key={group} className="mt-3">
            {group !== "start" && (
              <h2 className="mb-1 px-2 text-xs font-medium text-muted">{words.app.groups[group]}</h2>
            )}
            <ul>
              {inGroup.map(({ icon: Icon, path, title }) => (
                <li key={path}>
                  <Link
                    to={path}
                    {...(onGo !== undefined && { onClick: onGo })}
                    aria-current={isHere(path) ? "page" : undefined}
                    className="flex items-center gap-2.5 rounded-md px-2 py-1.5 text-sm text-text no-underline hover:bg-sunken aria-[current=page]:bg-accent-soft aria-[current=page]:font-medium aria-[current=page]:text-accent"
                  >
                    <Icon aria-hidden className="size-4 shrink-0" />
                    {title}
                  </Link>
                </li>
              ))}
            </ul>
          </div>
        )
      })}
    </nav>
  )
}
