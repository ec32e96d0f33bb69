/** Texts of the screen of credentials. */
export const credentials = {
  title: "Credentials",
  about: "How agents reach model providers. Keys go in sealed and never come out again.",
  add: "Add a credential",
  emptyTitle: "No credentials yet",
  emptyAbout:
    "A credential is a key of a model provider, such as OpenAI or Anthropic, or the address of a model on your own machine. Agents use it to think.",
  provider: "Provider",
  chooseProvider: "Whose models are these?",
  changeProvider: "Another provider",
  usedBy: "Used by",
  usedByNothing: "Nothing uses it yet.",
  usedByAgents: (count: number) => count === 1 ? "1 agent" : `${count} agents`,
  test: "Test",
  testAbout: "Asks the provider which models the key may use.",
  works: (latency: number) => `It works: the provider answered in ${latency} ms.`,
  fails: "It does not work.",
  models: "Models",
  modelsFound: (count: number) => count === 1 ? "1 model" : `${count} models`,
  saveAndTest: "Save and test",
  rotate: "To rotate a key, write the new one over the old one and save. Runs that go on use it with their next call.",
  removeUsed: "Agents use this credential. Without it they cannot answer.",
  settings: "Settings",
  next: "Use it in an agent"
}
