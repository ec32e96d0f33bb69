/** Chooses a session, whose workspace is meant. */
import { useQuery } from "@tanstack/react-query"
import { api } from "../api/Api.ts"
import { useAgents } from "../api/Lists.ts"
import { Field, Select } from "../ui/Field.tsx"
import { words } from "../words/words.ts"

/** Most sessions that are listed: the newest. */
const most = 100

export const useNewestSessions = () =>
  useQuery({ queryKey: ["sessions", "newest"], queryFn: () => api.sessions.list({ urlParams: { limit: most } }) })

export interface SessionPickerProps {
  readonly value: string
  readonly onChange: (session_id: string) => void
}

export const SessionPicker = ({ onChange, value }: SessionPickerProps) => {
  const sessions = useNewestSessions().data?.sessions ?? []
  const agents = useAgents().data?.agents ?? []
  const labelOf = (agent_id: string) => agents.find(({ id }) => id === agent_id)?.data.name ?? agent_id
  return (
    <Field label={words.mcp.session} about={words.mcp.sessionAbout}>
      {(tied) => (
        <Select
          {...tied}
          value={value}
          options={sessions.map(({ agent_id, config, id }) => ({
            value: id,
            label: `${config.name || id} (${labelOf(agent_id)})`
          }))}
          onChange={onChange}
        />
      )}
    </Field>
  )
}
