import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as OpenApi from "@effect/platform/OpenApi"
import { VaultRotation, VaultStatus } from "../../domain/Vault.ts"
import { Authentication } from "./Authentication.ts"
import { named, operation } from "./Operation.ts"
import * as Problem from "./Problem.ts"

export class VaultApi extends HttpApiGroup.make("vault")
  .add(
    HttpApiEndpoint.get("status", "/vault").addSuccess(VaultStatus)
      .annotateContext(operation({
        scope: "admin",
        summary: "See the vault's keys",
        description: "How many stored secrets are sealed with which key."
      }))
  )
  .add(
    HttpApiEndpoint.post("rotate", "/vault/rotate").addSuccess(named("VaultRotation", VaultRotation, 202))
      .annotateContext(operation({
        scope: "admin",
        summary: "Seal everything with the newest key",
        description:
          "Goes on in the background. If everything is sealed so already and the keys are in a file, a fresh key is "
          + "put in front first. Asked again, a rotation that was cut off goes on."
      }))
  )
  .add(
    HttpApiEndpoint.post("retire", "/vault/retire").addSuccess(VaultStatus).addError(Problem.Conflict)
      .annotateContext(operation({
        scope: "admin",
        summary: "Forget the keys that nothing needs",
        description: "Forgets the keys of the key file that nothing is sealed with any more."
      }))
  )
  .middleware(Authentication)
  .annotate(OpenApi.Description, "The keys that stored secrets are sealed with, for admins.")
{}
