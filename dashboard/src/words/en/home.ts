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
  health: "Health",
  components,
  states: { ok: "well", not_ready: "not ready", disabled: "off" }
}
