import { QueryClientProvider } from "@tanstack/react-query"
import { RouterProvider } from "@tanstack/react-router"
import { StrictMode } from "react"
import { createRoot } from "react-dom/client"
import { fetchConfig } from "./api/Config.ts"
import { speakAsLocalUser } from "./api/Identity.ts"
import { queries, sentenceOf } from "./api/Queries.ts"
import { sessionQuery } from "./api/Session.ts"
import { brand } from "./app/Branding.ts"
import { Configured } from "./app/Configured.ts"
import { router } from "./app/Router.tsx"
import { SignInPage } from "./app/SignIn.tsx"
import { applyTheme } from "./app/Theme.ts"
import { Button } from "./ui/Button.tsx"
import { Failure } from "./ui/Loaded.tsx"
import { words } from "./words/words.ts"

applyTheme()

// What libraries write into styles while they run has the nonce that the page's policy asks for.
const nonce = document.querySelector<HTMLMetaElement>("meta[name=style-nonce]")?.content
Object.assign(globalThis, { __webpack_nonce__: nonce })

const root = createRoot(document.getElementById("root")!)

/** Nothing can be shown before the server has said how it is known who asks. */
const begin = async () => {
  const config = await fetchConfig()
  brand(config)
  if (config.identity === "local") speakAsLocalUser()
  const session = await queries.fetchQuery(sessionQuery)
  root.render(
    <StrictMode>
      <Configured value={config}>
        <QueryClientProvider client={queries}>
          {session === null ? <SignInPage /> : <RouterProvider router={router} />}
        </QueryClientProvider>
      </Configured>
    </StrictMode>
  )
}

const failed = (error: unknown) => {
  root.render(
    <div className="mx-auto mt-24 max-w-lg px-4">
      <Failure
        error={new Error(`${words.app.unreachable} ${sentenceOf(error)}`)}
        action={<Button onClick={() => location.reload()}>{words.app.tryAgain}</Button>}
      />
    </div>
  )
}

begin().catch(failed)
