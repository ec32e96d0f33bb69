import { Invalid } from "../../../../domain/Errors.ts"

/** A field of the request that cannot be served as it is. The message has no full stop. */
export const refuse = (code: string, path: string, message: string): Invalid =>
  new Invalid({ code, detail: `${path}: ${message}.`, errors: [{ path, message }] })
