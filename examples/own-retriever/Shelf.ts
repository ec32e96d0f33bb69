/** A retriever of one's own: it looks things up for an input, before the agent's model is asked. */
import * as Retriever from "../../src/layers/Retrievers/Retriever.ts"

const shelf = [
  { about: ["opening", "open", "closed"], text: "The shop is open from 9 to 17, and closed on Mondays." },
  { about: ["return", "refund"], text: "What was bought is taken back within 30 days." }
]

/** A few sentences by the words in them; a real one would ask a search engine, and hand it the signal. */
export const shop = Retriever.make({
  name: "shop",
  patience: "2 seconds",
  retrieve: ({ text }) => {
    const words = new Set(text.toLowerCase().split(/\W+/))
    return shelf.filter(({ about }) => about.some((word) => words.has(word))).map((entry) => entry.text)
  }
})
