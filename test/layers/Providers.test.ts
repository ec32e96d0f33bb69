/** Every provider keeps the same promises; what its wire does not have is said here, with the reason. */
import { assert, it } from "@effect/vitest"
import * as Providers from "../../src/layers/Models/Providers.ts"
import { ledThrough } from "../contracts/LedThrough.ts"
import { providerContract } from "../contracts/ProviderContract.ts"
import * as Anthropic from "../support/wires/Anthropic.ts"
import * as AwsSignature from "../support/wires/AwsSignature.ts"
import * as Bedrock from "../support/wires/Bedrock.ts"
import * as flavours from "../support/wires/flavours.ts"
import * as Gemini from "../support/wires/Gemini.ts"
import * as OpenAiResponses from "../support/wires/OpenAiResponses.ts"
import { bearer, inHeader, type Subject } from "../support/wires/Subject.ts"

const at = (path: string): Subject["credential"] => (origin, secret) => ({
  base_url: `${origin}${path}`,
  api_key: secret
})

const noFiles = "Chat Completions has no files in its answers"
const unsigned = "it does not sign its thoughts"
const noDocuments = "it takes images only"
const noEmbeddings = "it has no embeddings"

const chat = { authenticated: bearer, structured: "natively" } as const

const keys = { access_key_id: "AKIAFAKE", region: "us-east-1" }

const signedByAws: Subject["authenticated"] = (request, secret) =>
  AwsSignature.isSignedBy({ ...keys, secret_access_key: secret, service: "bedrock" }, request) &&
  request.headers["x-amz-security-token"] === `${secret}-session`

const converse = {
  model: "anthropic.claude-sonnet-4-5-20250929-v1:0",
  embedding: "amazon.titan-embed-text-v2:0",
  dimensions: 256,
  thinking: { thinking_enable: true, thinking_budget: 1024 },
  structured: "natively",
  callId: /^[A-Za-z0-9_-]{1,64}$/,
  lacks: {
    "server-sent events": "it has frames of its own",
    "files out": "it makes none",
    "reasoning tokens": "they are counted as output",
    seed: "it takes none"
  }
} as const

const deepseek = {
  type: "deepseek_credential",
  wire: flavours.deepseek,
  credential: at(""),
  model: "deepseek-flash",
  authenticated: bearer,
  lacks: {
    "documents in": noDocuments,
    signature: unsigned,
    "files out": noFiles,
    seed: "it takes none",
    embeddings: noEmbeddings
  }
} as const

const subjects: ReadonlyArray<Subject> = [
  {
    ...chat,
    name: "openai_credential, Responses",
    type: "openai_credential",
    wire: OpenAiResponses.wire,
    credential: at("/v1"),
    model: "gpt-5",
    callId: /^.{1,64}$/,
    lacks: {
      "files out": "images come from a tool of its own, which is not offered",
      temperature: "models that think do not take it",
      top_p: "models that think do not take it",
      stop: "Responses has no stop; Chat Completions is used for it",
      seed: "Responses has no seed; Chat Completions is used for it"
    }
  },
  {
    ...chat,
    name: "openai_credential, Chat Completions",
    type: "openai_credential",
    wire: flavours.openai,
    credential: (origin, secret) => ({ ...at("/v1")(origin, secret), api: "chat", organization: "org-1" }),
    model: "gpt-4.1",
    lacks: {
      reasoning: "it keeps its thoughts to itself",
      "thinking goes back": "it keeps its thoughts to itself",
      signature: "it keeps its thoughts to itself",
      "files out": noFiles
    }
  },
  {
    name: "anthropic_credential",
    type: "anthropic_credential",
    wire: Anthropic.wire,
    credential: at("/v1"),
    model: "claude-sonnet-4-5",
    thinking: { thinking_enable: true, thinking_budget: 1024 },
    authenticated: inHeader("x-api-key"),
    callId: /^[A-Za-z0-9_-]+$/,
    structured: "natively",
    lacks: {
      "files out": "it makes none",
      "reasoning tokens": "they are counted as output",
      top_p: "it takes temperature or top_p",
      seed: "it takes none",
      embeddings: noEmbeddings
    }
  },
  {
    name: "gemini_credential",
    type: "gemini_credential",
    wire: Gemini.wire,
    credential: at("/v1beta"),
    model: "gemini-2.5-flash",
    thinking: { thinking_enable: true },
    authenticated: inHeader("x-goog-api-key"),
    structured: "natively",
    lacks: {
      "thinking goes back": "what goes back is the signature, beside the call or the text after the thought",
      "pieces of arguments": "a call comes whole",
      "unfinished arguments": "arguments are an object, not a text"
    }
  },
  {
    ...chat,
    name: "dashscope_credential",
    type: "dashscope_credential",
    wire: flavours.dashscope,
    credential: at("/compatible-mode/v1"),
    model: "qwen3.7-plus",
    thinking: { thinking_enable: true },
    lacks: { "documents in": noDocuments, signature: unsigned, "files out": noFiles }
  },
  {
    ...deepseek,
    name: "deepseek_credential",
    parameters: { thinking_enable: false },
    structured: "by a tool",
    thinking: { thinking_enable: true }
  },
  {
    ...deepseek,
    name: "deepseek_credential, thinking",
    parameters: { thinking_enable: true },
    structured: "by the prompt",
    lacks: {
      ...deepseek.lacks,
      temperature: "models that think do not take it",
      top_p: "models that think do not take it"
    }
  },
  {
    ...chat,
    name: "moonshot_credential",
    type: "moonshot_credential",
    wire: flavours.moonshot,
    credential: at("/v1"),
    model: "kimi-k2-thinking",
    lacks: {
      "documents in": noDocuments,
      signature: unsigned,
      "files out": noFiles,
      seed: "it takes none",
      embeddings: noEmbeddings,
      "content filter": "it refuses instead"
    }
  },
  {
    ...chat,
    name: "xai_credential",
    type: "xai_credential",
    wire: flavours.xai,
    credential: at("/v1"),
    model: "grok-4",
    lacks: {
      "thinking goes back": "it takes none",
      "documents in": noDocuments,
      signature: unsigned,
      "pieces of arguments": "a call comes whole",
      "files out": noFiles,
      "content filter": "it has no such reason",
      embeddings: noEmbeddings
    }
  },
  {
    ...chat,
    name: "ollama_credential",
    type: "ollama_credential",
    wire: flavours.ollama,
    credential: (origin, secret) => ({ host: origin, api_key: secret }),
    model: "qwen3",
    seeing: "qwen3-vl",
    lacks: {
      "limits told within an answer": "its errors within have no type",
      "documents in": noDocuments,
      signature: unsigned,
      "pieces of arguments": "a call comes whole",
      "files out": noFiles,
      "content filter": "it has no such reason"
    }
  },
  {
    ...chat,
    name: "mistral_credential",
    type: "mistral_credential",
    wire: flavours.mistral,
    credential: at("/v1"),
    model: "magistral-medium-latest",
    seeing: "mistral-medium-3-5",
    callId: /^[A-Za-z0-9]{9}$/,
    lacks: {
      signature: unsigned,
      "pieces of arguments": "a call comes whole",
      "files out": noFiles,
      "content filter": "it has no such reason",
      "reasoning tokens": "they are counted as output",
      dimensions: "its vectors have one length"
    }
  },
  {
    ...chat,
    name: "groq_credential",
    type: "groq_credential",
    wire: flavours.groq,
    credential: at("/openai/v1"),
    model: "openai/gpt-oss-120b",
    seeing: "qwen/qwen3.8-27b",
    lacks: {
      "documents in": noDocuments,
      signature: unsigned,
      "files out": noFiles,
      "content filter": "it has no such reason",
      embeddings: noEmbeddings
    }
  },
  {
    ...chat,
    name: "openrouter_credential",
    type: "openrouter_credential",
    wire: flavours.openrouter,
    credential: at("/api/v1"),
    model: "anthropic/claude-sonnet-4.5",
    lacks: {}
  },
  {
    name: "azure_openai_credential, Responses",
    type: "azure_openai_credential",
    wire: OpenAiResponses.wire,
    credential: at("/openai/v1"),
    model: "gpt-5",
    authenticated: inHeader("api-key"),
    structured: "natively",
    lacks: {
      "files out": "images come from a tool of its own, which is not offered",
      temperature: "models that think do not take it",
      top_p: "models that think do not take it",
      stop: "Responses has no stop; Chat Completions is used for it",
      seed: "Responses has no seed; Chat Completions is used for it"
    }
  },
  {
    name: "azure_openai_credential, Chat Completions of a dated version",
    type: "azure_openai_credential",
    wire: flavours.azure,
    credential: (origin, secret) => ({ ...at("/openai")(origin, secret), api_version: "2024-10-21" }),
    model: "gpt-4.1",
    authenticated: inHeader("api-key"),
    structured: "natively",
    lacks: {
      reasoning: "it keeps its thoughts to itself",
      "thinking goes back": "it keeps its thoughts to itself",
      signature: "it keeps its thoughts to itself",
      "files out": noFiles
    }
  },
  {
    name: "bedrock_credential, API key",
    type: "bedrock_credential",
    wire: Bedrock.wire,
    credential: (origin, secret) => ({ ...at("")(origin, secret), region: "us-east-1" }),
    authenticated: bearer,
    ...converse
  },
  {
    name: "bedrock_credential, AWS key pair",
    type: "bedrock_credential",
    wire: Bedrock.wire,
    credential: (origin, secret) => ({
      base_url: origin,
      ...keys,
      secret_access_key: secret,
      session_token: `${secret}-session`
    }),
    authenticated: signedByAws,
    ...converse
  },
  {
    name: "openai_compatible_credential",
    type: "openai_compatible_credential",
    wire: flavours.compatible,
    credential: at("/v1"),
    model: "fake",
    authenticated: bearer,
    structured: "by a tool",
    lacks: { signature: "vLLM and its like do not sign thoughts", "files out": noFiles }
  }
]

it("every provider is held to it", () => {
  assert.sameMembers([...new Set(subjects.map(({ type }) => type))], Providers.all.map(({ type }) => type))
})

for (const subject of subjects) providerContract(subject)

ledThrough(subjects)
