import { useSession } from "../api/Session.ts"
import type { Screen } from "./Screen.ts"
import { screens } from "./screens.ts"

/** The screens that the reader may see. */
export const useScreens = (): ReadonlyArray<Screen> => {
  const { scopes } = useSession()
  return screens.filter(({ scope }) => scope === undefined || scopes.includes(scope))
}
