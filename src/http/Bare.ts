import type * as HttpApi from "@effect/platform/HttpApi"
import { Record, Schema } from "effect"

/** The same routes without their errors: a failure then comes out of the router as it is, and the boundary alone writes it. */
export const bare = <Api extends HttpApi.HttpApi.Any>(api: Api): Api => {
  const { groups, middlewares } = api as unknown as HttpApi.HttpApi.AnyWithProps
  const errorSchema = Schema.Never
  const silent = Record.map(
    groups as unknown as Record.ReadonlyRecord<
      string,
      { readonly endpoints: Record.ReadonlyRecord<string, object> }
    >,
    ({ endpoints }) => ({
      endpoints: Record.map(endpoints, (endpoint) => ({ ...endpoint, errorSchema })),
      errorSchema
    })
  )
  return { groups: silent, errorSchema, middlewares } as unknown as Api
}
