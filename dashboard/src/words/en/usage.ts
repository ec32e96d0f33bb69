/** Texts of the screen of usage. */
export const usage = {
  title: "Usage",
  about: "Calls of models: tokens and what they cost by the list prices of their cards.",
  period: "Period",
  days: (count: number) => `Last ${count} days`,
  by: "By",
  groups: {
    day: "Day",
    model: "Model",
    provider: "Provider",
    agent: "Agent",
    credential: "Credential",
    user: "User"
  },
  whose: "Whose",
  mine: "Mine",
  everybody: "All tenants",
  calls: "Calls",
  errors: "Failed",
  input: "Tokens in",
  output: "Tokens out",
  cached: "From cache",
  cost: "Cost",
  total: "Total",
  export: "Export as CSV",
  emptyTitle: "No calls of models yet",
  emptyAbout: "As soon as an agent thinks, its calls are counted here, by day, by model and by agent.",
  unpriced: (count: number) => `${count} calls are of models whose price is not known; they are not in the cost.`,
  chart: "Tokens by day",
  chartAbout: "The same numbers are in the table, by day."
}
