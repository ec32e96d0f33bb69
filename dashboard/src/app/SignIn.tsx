import { KeyRound } from "lucide-react"
import { useState } from "react"
import { sentenceOf, useChange } from "../api/Queries.ts"
import { signIn } from "../api/Session.ts"
import { Button } from "../ui/Button.tsx"
import { Field, Input } from "../ui/Field.tsx"
import { words } from "../words/words.ts"
import { useConfig } from "./Configured.ts"
import { ownUrl } from "./Place.ts"

/** Asks for a key once. What the page shows is another user's then, so it begins anew. */
export const SignInForm = () => {
  const [key, setKey] = useState("")
  const change = useChange({ run: signIn, isQuiet: true, next: () => location.reload() })
  return (
    <form
      className="flex flex-col gap-4"
      onSubmit={(event) => {
        event.preventDefault()
        change.mutate(key)
      }}
    >
      <Field
        label={words.app.apiKey}
        about={words.app.signInAbout}
        error={change.error === null ? undefined : sentenceOf(change.error)}
      >
        {(tied) => (
          <Input
            {...tied}
            type="password"
            required
            autoComplete="current-password"
            placeholder="stoa_…"
            value={key}
            onChange={(event) => setKey(event.target.value)}
          />
        )}
      </Field>
      <Button type="submit" look="primary" icon={KeyRound} isBusy={change.isPending}>{words.app.signIn}</Button>
    </form>
  )
}

/** The whole page while nobody has signed in. */
export const SignInPage = () => {
  const { logo, subtitle, title } = useConfig()
  return (
    <main className="flex min-h-full items-center justify-center p-4">
      <div className="w-full max-w-sm rounded-xl border border-line bg-panel p-6 shadow-(--shadow)">
        <img src={ownUrl(logo ? "logo" : "favicon.svg")} alt="" className="mb-3 h-9 max-w-40 object-contain" />
        <h1 className="text-xl font-semibold">{title}</h1>
        <p className="mb-5 text-sm text-muted">{subtitle ?? words.app.tagline}</p>
        <SignInForm />
      </div>
    </main>
  )
}
