/** Every provider keeps the same promises; what its wire does not have is said here, with the reason. */
import { providerContract } from "../contracts/ProviderContract.ts"
import * as flavours from "../support/wires/flavours.ts"
import { bearer, type Subject } from "../support/wires/Subject.ts"

const subjects: ReadonlyArray<Subject> = [
  {
    name: "openai_compatible_credential",
    type: "openai_compatible_credential",
    wire: flavours.compatible,
    credential: (origin, secret) => ({ base_url: `${origin}/v1`, api_key: secret }),
    model: "fake",
    authenticated: bearer,
    structured: "by a tool",
    lacks: {
      signature: "vLLM and its like do not sign thoughts",
      "files out": "Chat Completions has no files in its answers"
    }
  }
]

for (const subject of subjects) providerContract(subject)
