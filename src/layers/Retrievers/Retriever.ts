/** Code of the operator's that finds what an agent should know for an input. Definitions of agents name it in `retrievers`. */
import { Duration, Schema } from "effect"
import { DefinitionId } from "../../domain/Definition.ts"
import type { Retriever } from "../../services/Retrievers.ts"

/** @public Retrievers outside of the repository name them. */
export type { Query, Retrieved, Retriever } from "../../services/Retrievers.ts"

/** A retriever for `extensions`. It throws where its name is none, or its `patience`: no run should find that out. */
export const make = ({ name, patience, ...retriever }: Retriever): Retriever => ({
  ...retriever,
  name: Schema.decodeSync(DefinitionId)(name),
  ...(patience !== undefined && { patience: Duration.decode(patience) })
})
