/**
 * One scenario of the conformance suite: a tenant of the running Stoa adds the suite's server, lets it in by OAuth where
 * it wants that, and has an agent call its tools. The suite looks at what arrives there.
 */
const server = process.argv[2]
const stoa = process.env.STOA_CONFORMANCE_URL
const scenario = process.env.MCP_CONFORMANCE_SCENARIO ?? ""
const context = JSON.parse(process.env.MCP_CONFORMANCE_CONTEXT ?? "{}")
const user = `conformance-${process.pid}-${Date.now()}`

const call = async (method, path, body) => {
  const response = await fetch(`${stoa}${path}`, {
    method,
    headers: {
      "x-user-id": user,
      accept: "application/json",
      ...(body !== undefined && { "content-type": "application/json" })
    },
    ...(body !== undefined && { body: JSON.stringify(body) })
  })
  const text = await response.text()
  const json = /json/.test(response.headers.get("content-type") ?? "") ? JSON.parse(text) : undefined
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`)
  return json
}

const { agent_id } = await call("POST", "/agent", { name: "Conformance" })
const { credential_id } = await call("POST", "/credential", { data: { type: "demo_credential" } })
const chat_model_config = { type: "demo_credential", credential_id, model: "demo-script" }
const { session_id } = await call("POST", "/sessions", { agent_id, chat_model_config })
await call("PATCH", `/sessions/${session_id}`, { permission_mode: "bypass" })

const place = `session_id=${session_id}`
const now = async () => (await call("GET", `/workspace/mcp?${place}`))[0]

/** A person who allows everything: to the authorization server, back to Stoa, and the button there. */
const login = async () => {
  const { authorization_url } = await call("POST", `/workspace/mcp/suite/authorize?${place}`)
  if (authorization_url === null) return
  let at = authorization_url
  for (let hops = 0; hops < 5 && !at.startsWith(`${stoa}/mcp/authorize/callback`); hops++) {
    const { headers, status } = await fetch(at, { redirect: "manual" })
    if (!headers.has("location")) throw new Error(`The authorization server answers ${status}`)
    at = new URL(headers.get("location"), at).href
  }
  const page = await fetch(at)
  if (!page.ok) throw new Error(`The page answers ${page.status}`)
  const done = await fetch(at, { method: "POST" })
  if (!done.ok) throw new Error(`Not authorized: ${(await done.text()).replace(/<[^>]*>/g, " ")}`)
}

const isCredentials = scenario.startsWith("auth/client-credentials")
await call("POST", `/workspace/mcp?${place}`, {
  name: "suite",
  is_stateful: true,
  execution_timeout: 20,
  mcp_config: {
    type: "http_mcp",
    url: server,
    ...(context.client_id !== undefined && {
      oauth: {
        client_id: context.client_id,
        client_secret: context.client_secret,
        grant_type: isCredentials ? "client_credentials" : "authorization_code"
      }
    })
  }
})

/** Whoever has to be asked is asked at most so often. */
for (let logins = 0; logins < 3 && (await now()).authorization === "needs_authorization"; logins++) await login()

const given = {
  add_numbers: { a: 5, b: 3 },
  "test-tool": {}
}
const calls = context.toolCalls ?? (await now()).tools.map(({ name }) => ({ name, arguments: given[name] ?? {} }))

let isOver = false
/** A person who accepts every question as it stands. */
const answering = (async () => {
  while (!isOver) {
    const { elicitations } = await call("GET", `/sessions/${session_id}/elicitations`)
    for (const { elicitation_id, requested_schema } of elicitations) {
      const content = {}
      for (const name of requested_schema?.required ?? []) {
        const { type } = requested_schema.properties[name]
        content[name] = type === "boolean" ? true : type === "string" ? "text" : 1
      }
      await call("POST", `/sessions/${session_id}/elicitations/${elicitation_id}`, { action: "accept", content })
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
})()

const chat = (content) => call("POST", "/chat", { agent_id, session_id, input: { content } })
const line = ({ name, arguments: args }) =>
  `call mcp__suite__${name.replace(/[^A-Za-z0-9_-]/g, "_")} ${JSON.stringify(args)}`

for (const one of calls) {
  for (let attempts = 0; attempts < 3; attempts++) {
    const reply = await chat(line(one))
    console.log(JSON.stringify(reply.content))
    if ((await now()).authorization !== "needs_authorization") break
    await login()
  }
}
isOver = true
await answering
await call("DELETE", `/workspace/mcp/suite?${place}`)
