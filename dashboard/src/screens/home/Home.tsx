import { useQuery } from "@tanstack/react-query"
import { healthQuery } from "../../app/Offline.tsx"
import { Badge } from "../../ui/Badge.tsx"
import { Loaded } from "../../ui/Loaded.tsx"
import { Page, Panel } from "../../ui/Page.tsx"
import { words } from "../../words/words.ts"

const Home = () => (
  <Page title={words.home.title}>
    <Panel title={words.home.health}>
      <Loaded query={useQuery(healthQuery)}>
        {({ components }) => (
          <ul className="flex flex-wrap gap-2">
            {Object.entries(components).map(([name, state]) => (
              <li key={name}>
                <Badge tone={state === "ok" ? "ok" : state === "disabled" ? "plain" : "bad"}>
                  {words.home.components[name] ?? name}: {words.home.states[state]}
                </Badge>
              </li>
            ))}
          </ul>
        )}
      </Loaded>
    </Panel>
  </Page>
)

export default Home
