import { type ErrorComponentProps, Link } from "@tanstack/react-router"
import { Compass } from "lucide-react"
import { sentenceOf } from "../api/Queries.ts"
import { Button, buttonLook } from "../ui/Button.tsx"
import { CodeBlock } from "../ui/CodeBlock.tsx"
import { Empty } from "../ui/Empty.tsx"
import { Page } from "../ui/Page.tsx"
import { words } from "../words/words.ts"

/** A screen that threw: the rest of the page goes on. */
export const Failed = ({ error, reset }: ErrorComponentProps) => (
  <Page
    title={words.app.broken}
    about={words.app.brokenAbout}
    actions={
      <>
        <Button onClick={reset}>{words.app.tryAgain}</Button>
        <Button look="primary" onClick={() => location.reload()}>{words.app.reload}</Button>
      </>
    }
  >
    <CodeBlock text={sentenceOf(error)} />
  </Page>
)

export const NotFound = () => (
  <Page title={words.app.notFound}>
    <Empty
      icon={Compass}
      title={words.app.notFound}
      action={<Link to="/" className={buttonLook("primary")}>{words.app.home}</Link>}
    >
      {words.app.notFoundAbout}
    </Empty>
  </Page>
)
