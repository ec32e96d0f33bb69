/** Texts of the list of sessions. */
export const sessions = {
  title: "Sessions",
  about: "Every exchange between a person or a program and an agent.",
  search: "Find by a name, or by what was said",
  emptyTitle: "No sessions yet",
  emptyAbout: "A session begins with the first message to an agent, in the chat or through any of the protocols.",
  foundNothing: "Nothing was found",
  foundNothingAbout: "A text is found as it stands, in names and in what was said.",
  startChat: "Start a chat",
  agent: "Agent",
  source: "Began",
  sources: { user: "by a user", schedule: "by a schedule" },
  statuses: {
    idle: "idle",
    running: "running",
    awaiting_permission: "waits for a permission",
    awaiting_external_result: "waits for a result"
  },
  renameTitle: "Rename the session"
}
