/** What runs when an agent calls the tool. It may be asynchronous; what it returns is what the model is told. */
export default ({ a, b }) => `${a} + ${b} = ${a + b}`
