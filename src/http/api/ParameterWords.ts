/** What each parameter of a path, a query or a header says. One without words fails the tests. */
export const parameters: Readonly<Record<string, string>> = {
  "idempotency-key":
    "Sent again within 24 hours with the same key, the request is not done again: it gets the same answer. "
    + "The same key with another request is 422.",
  "last-event-id": "The `id` of the last frame that arrived, as browsers send it when they connect again.",
  after: "The `seq` of the last event that is known; 0 for all that are kept.",
  agent_id: "The agent's id. Where it is not part of the path, what it asks for must belong to this agent.",
  before: "The id of a message: the page holds the newest ones before it.",
  credential_id: "The credential's id.",
  cursor: "The `next_cursor` of the page before.",
  force: "Whether it goes even while something uses it.",
  from: "The beginning: a UTC time or a day, such as `2026-01-31`. 30 days before `to` when it is left out.",
  group_by: "What the sums are grouped by: one to three of the kinds, separated by commas, such as `day,model`.",
  hash: "The file's hash: SHA-256 of its bytes, as 64 hexadecimal digits in lower case.",
  "if-none-match": "The `etag` of a copy that is there already: the answer is then 304 without the bytes.",
  key_id: "The key's id.",
  limit: "The most items that the page holds. It may hold fewer when they are large.",
  name: "The model's name, percent-encoded.",
  offset: "How many messages to skip from the beginning. Without it the page holds the newest ones.",
  prefer: "`respond-async` answers at once, without waiting for the run.",
  provider: "The type of credential, such as `demo_credential`.",
  queue: "What becomes of the inputs that wait: `keep` runs them, `drop` ends them.",
  range: "A part of the file, such as `bytes=0-1023`: the answer is then 206 with those bytes.",
  run_id: "The run's id.",
  session_id: "The session's id.",
  status: "Only runs with this status.",
  to: "The end, itself not included: a UTC time or a day, such as `2026-02-01`. The end of today when it is left out.",
  user_id: "Only what belongs to this tenant."
}
