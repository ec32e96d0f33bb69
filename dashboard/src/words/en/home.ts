/** The parts of a server that tell how they are. */
const components: Readonly<Record<string, string>> = {
  storage: "Storage",
  event_log: "Event log",
  models: "Models",
  intake: "Takes inputs"
}

/** Texts of the home screen. */
export const home = {
  title: "Home",
  about: "How the server is, what runs, and what comes next.",
  health: "Health",
  components,
  states: { ok: "healthy", not_ready: "not ready", disabled: "off" },
  version: (version: string) => `Version ${version}`,
  active: "Active runs",
  activeAbout: (waiting: number) => waiting === 0 ? "none waits for a person" : `${waiting} wait for a person`,
  errors: "Failed runs",
  errorsAbout: "in the last 24 hours",
  today: "Tokens today",
  spent: "Spent today",
  spentAbout: (unpriced: number) =>
    unpriced === 0 ? "by the models' list prices" : `${unpriced} calls have no known price`,
  calls: (count: string) => `${count} calls of models`,
  recentErrors: "Recent failures",
  noErrors: "Nothing has failed in the last 24 hours.",
  nextFires: "Next by the clock",
  noFires: "Nothing is planned.",
  plan: "Make a schedule",
  first: "First steps",
  firstAbout: (done: number, all: number) => `${done} of ${all} done`,
  hide: "Hide the first steps",
  steps: {
    talk: {
      title: "Talk to the demo agent",
      about: "It answers at once, without a key: a model that only pretends."
    },
    key: {
      title: "Add a key of a model provider",
      about: "The test shows whether it works, how quickly, and which models it may use."
    },
    model: { title: "Choose a model for an agent", about: "Change the demo agent, or make one of your own." },
    tool: {
      title: "Give the agent a tool",
      about: "All of the server's tools, or a program of yours as an MCP server."
    },
    schedule: { title: "Make a schedule", about: "The agent then works by the clock, also while you are away." },
    kill: {
      title: "Kill the server, and watch the answer go on",
      about:
        "While an answer is being written, kill the process and start it again: nothing that you have seen is lost, and the rest comes.",
      command: "kill -9 $(pgrep -f 'stoa.*serve'); npm start",
      done: "I have seen it"
    }
  }
}
