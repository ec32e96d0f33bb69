/** The pages of all screens, each loaded when it is first opened. */
import { createRootRoute, createRoute, createRouter, lazyRouteComponent } from "@tanstack/react-router"
import { Skeleton } from "../ui/Skeleton.tsx"
import { Failed, NotFound } from "./Failed.tsx"
import { basepath } from "./Place.ts"
import { screens } from "./screens.ts"
import { Shell } from "./Shell.tsx"

const root = createRootRoute({ component: Shell, notFoundComponent: NotFound })

const pages = screens.flatMap(({ pages }) =>
  Object.entries(pages).map(([path, load]) =>
    createRoute({ getParentRoute: () => root, path, component: lazyRouteComponent(load) })
  )
)

export const router = createRouter({
  routeTree: root.addChildren(pages),
  basepath: basepath === "" ? "/" : basepath,
  defaultPreload: "intent",
  scrollRestoration: true,
  defaultErrorComponent: Failed,
  defaultNotFoundComponent: NotFound,
  defaultPendingComponent: () => (
    <div className="p-7">
      <Skeleton />
    </div>
  )
})
