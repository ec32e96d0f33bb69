/** What the program around this server says of a request: who asks, and below which path the server is mounted. */
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import { Predicate } from "effect"
import type { Principal } from "../domain/Principal.ts"

export interface Around {
  /** `/stoa`, which the address of the request has no more; empty at the root. */
  readonly base: string
  /** Who asks, when the program knows it: nothing else of the request is asked then. */
  readonly principal?: Principal | undefined
}

const nothing: Around = { base: "" }

const said = new WeakMap<object, Around>()

/** `request` is Node's own. */
export const say = (request: object, around: Around): void => {
  said.set(request, around)
}

export const aroundOf = ({ source }: HttpServerRequest.HttpServerRequest): Around =>
  Predicate.isObject(source) ? said.get(source) ?? nothing : nothing
