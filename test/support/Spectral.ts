/** Spectral's rules for OpenAPI, without its command line. */
import * as core from "@stoplight/spectral-core"
import { oas } from "@stoplight/spectral-rulesets"

/** What the rules complain of that are recommended. */
export const spectral = (document: Readonly<Record<string, unknown>>) => {
  const linter = new core.Spectral()
  linter.setRuleset(new core.Ruleset(oas, { severity: "recommended" }))
  return linter.run({ ...document })
}
