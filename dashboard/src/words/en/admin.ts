/** Texts of the screens that only an admin sees. */
export const admin = {
  keys: {
    title: "API keys",
    about: "Keys of all tenants. Each speaks for one user, and may do what its scopes say.",
    add: "New key",
    emptyTitle: "No keys yet",
    user: "User",
    userAbout: "The tenant that the key speaks for.",
    scopes: "Scopes",
    scopeNames: {
      read: "read: see records",
      write: "write: make and change them",
      chat: "chat: send inputs and stop runs",
      admin: "admin: keys, the vault, all tenants"
    },
    used: "Last used",
    expires: "Expires",
    expiresAbout: "Without a day it is good until it is revoked.",
    revoke: "Revoke",
    revokeWhat: (name: string) => `Revoke ${name}?`,
    revokeAbout: "It is refused from now on, and its open streams and sessions end within seconds.",
    revoked: "revoked",
    expired: "expired",
    usable: "good",
    issued: "The new key",
    issuedAbout: "This is the only time that it is shown. Keep it in a safe place."
  },
  tenants: {
    title: "Tenants",
    about: "Everybody who owns something here, and what they used in the last 30 days.",
    emptyTitle: "Nobody owns anything yet",
    user: "Tenant",
    agents: "Agents",
    sessions: "Sessions",
    runs: "Runs",
    keys: "Keys",
    cost: "Cost",
    active: "Last active",
    actAs: "Act for this tenant"
  },
  jobs: {
    title: "Jobs",
    about:
      "What was decided and is done later: messages, results of tasks, tidying up. What fails for good stays here until somebody tries it again or deletes it.",
    emptyTitle: "No jobs",
    emptyAbout: "Nothing waits to be done, and nothing has failed for good.",
    kind: "Kind",
    user: "Tenant",
    attempts: "Attempts",
    runAt: "Tried next",
    error: "Error",
    retry: "Try again",
    statuses: { pending: "pending", done: "done", dead: "dead" },
    filter: "Status"
  },
  server: {
    title: "Server",
    about: "The vault and the definitions. The settings are those of the start: stoa.yaml, the environment and flags.",
    vault: "Vault",
    vaultAbout: "Secrets of credentials are sealed with these keys; the newest seals.",
    source: "Keys come from",
    sources: { file: "a file in the data folder", settings: "the settings" },
    key: "Key",
    seals: "seals",
    hashes: "recognises API keys",
    secrets: "Secrets",
    rotate: "Rotate",
    rotateAbout: "A fresh key seals everything anew, while the server goes on.",
    rotating: "Sealing anew …",
    retire: "Forget old keys",
    unreadable: (count: number) => `${count} secrets cannot be opened with these keys.`,
    definitions: "Definitions",
    definitionsAbout: "Agents, tools and skills in the operator's folder.",
    reload: "Read them again",
    reloaded: (agents: number, tools: number, skills: number) =>
      `${agents} agents, ${tools} tools and ${skills} skills were read.`,
    doctor: "Doctor",
    doctorAbout: "Checks what the server stands on, from the data folder to the sandbox. It runs where the server runs:"
  }
}
