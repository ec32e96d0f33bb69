import { BookOpen, CircleUserRound, KeyRound, LogOut, UserRoundPen, UserRoundX } from "lucide-react"
import { useState } from "react"
import { changeUser, chosenUser } from "../api/Identity.ts"
import { useChange } from "../api/Queries.ts"
import { signOut, useSession } from "../api/Session.ts"
import { Button } from "../ui/Button.tsx"
import { Dialog } from "../ui/Dialog.tsx"
import { Field, Input } from "../ui/Field.tsx"
import { Menu } from "../ui/Menu.tsx"
import { words } from "../words/words.ts"
import { useConfig } from "./Configured.ts"
import { serverUrl } from "./Place.ts"
import { SignInForm } from "./SignIn.tsx"
import { changeTheme, themes, useTheme } from "./Theme.ts"

/** The names that a server takes for users. */
const userPattern = "[A-Za-z0-9._@\\-]{1,128}"

const ChangeUser = ({ onClose }: { readonly onClose: () => void }) => {
  const [user, setUser] = useState(chosenUser() ?? "")
  return (
    <Dialog
      isOpen
      onClose={onClose}
      title={words.app.changeUser}
      about={useConfig().identity === "local" ? words.app.changeUserAbout : words.app.actForAbout}
      actions={
        <>
          <Button onClick={onClose}>{words.app.cancel}</Button>
          <Button look="primary" type="submit" form="change-user">{words.app.save}</Button>
        </>
      }
    >
      <form
        id="change-user"
        onSubmit={(event) => {
          event.preventDefault()
          changeUser(user)
        }}
      >
        <Field label={words.app.user}>
          {(tied) => (
            <Input
              {...tied}
              value={user}
              required
              pattern={userPattern}
              autoComplete="username"
              onChange={(event) => setUser(event.target.value)}
            />
          )}
        </Field>
      </form>
    </Dialog>
  )
}

/** Who asks, and what belongs to the reader alone. */
export const Account = () => {
  const { expires_at, scopes, user_id } = useSession()
  const { identity } = useConfig()
  const theme = useTheme()
  const [isChanging, setChanging] = useState(false)
  const [isSigningIn, setSigningIn] = useState(false)
  const leave = useChange({ run: signOut, next: () => location.reload() })
  return (
    <>
      <Menu
        heading={
          <>
            <span className="block text-xs text-muted">{words.app.actingAs}</span>
            <span className="font-medium">{user_id}</span>
          </>
        }
        choice={{
          label: words.app.theme,
          value: theme,
          options: words.app.themes,
          onChange: (value) => changeTheme(themes.find((theme) => theme === value) ?? "system")
        }}
        items={[
          ...identity === "local" || (identity === "key" && scopes.includes("admin"))
            ? [{
              label: words.app.changeUser,
              icon: UserRoundPen,
              isFirstOfGroup: true,
              onSelect: () => setChanging(true)
            }]
            : [],
          ...identity !== "local" && chosenUser() !== undefined
            ? [{ label: words.app.stopActing, icon: UserRoundX, onSelect: () => changeUser(undefined) }]
            : [],
          ...expires_at !== null
            ? [{ label: words.app.signOut, icon: LogOut, isFirstOfGroup: true, onSelect: () => leave.mutate() }]
            : identity === "outside"
            ? []
            : [{ label: words.app.signInWithKey, icon: KeyRound, onSelect: () => setSigningIn(true) }],
          {
            label: words.app.apiDocs,
            icon: BookOpen,
            isFirstOfGroup: true,
            onSelect: () => void window.open(`${serverUrl}/docs`, "_blank", "noopener")
          }
        ]}
      >
        <Button look="quiet" icon={CircleUserRound} aria-label={`${words.app.account}: ${user_id}`}>
          <span className="max-w-40 truncate max-sm:hidden">{user_id}</span>
        </Button>
      </Menu>
      <Dialog isOpen={isSigningIn} onClose={() => setSigningIn(false)} title={words.app.signIn}>
        <div className="pb-3">
          <SignInForm />
        </div>
      </Dialog>
      {isChanging && <ChangeUser onClose={() => setChanging(false)} />}
    </>
  )
}
