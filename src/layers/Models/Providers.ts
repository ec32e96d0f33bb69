/** Every provider of models, but for the demo. */
import type { Provider } from "./Provider.ts"
import * as OpenAiCompatible from "./providers/OpenAiCompatible.ts"

export const all: ReadonlyArray<Provider> = [OpenAiCompatible.provider]
