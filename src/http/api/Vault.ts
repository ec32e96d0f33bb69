import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as OpenApi from "@effect/platform/OpenApi"
import { Conflict } from "../../domain/Errors.ts"
import { VaultRotation, VaultStatus } from "../../domain/Vault.ts"
import { Authentication } from "./Authentication.ts"

/** All of it needs the scope `admin`. */
export class VaultApi extends HttpApiGroup.make("vault")
  .add(
    HttpApiEndpoint.get("status", "/vault").addSuccess(VaultStatus)
      .annotate(OpenApi.Description, "How many stored secrets are sealed with which key.")
  )
  .add(
    HttpApiEndpoint.post("rotate", "/vault/rotate").addSuccess(VaultRotation, { status: 202 })
      .annotate(
        OpenApi.Description,
        "Seals every stored secret with the newest key, in the background. If that is so already and the keys are in a "
          + "file, a fresh key is put in front first. Asked again, one that was cut off goes on."
      )
  )
  .add(
    HttpApiEndpoint.post("retire", "/vault/retire").addSuccess(VaultStatus).addError(Conflict)
      .annotate(OpenApi.Description, "Forgets the keys of the key file that nothing is sealed with any more.")
  )
  .middleware(Authentication)
  .annotate(OpenApi.Description, "The keys that stored secrets are sealed with, for admins.")
{}
