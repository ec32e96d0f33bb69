import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import { Effect } from "effect"
import { Jobs } from "../../services/Jobs.ts"
import { Storage } from "../../services/Storage.ts"
import { Api } from "../Api.ts"

export const layer = HttpApiBuilder.group(Api, "jobs", (handlers) =>
  Effect.gen(function*() {
    const storage = yield* Storage
    const { remove, retry } = yield* Jobs

    return handlers
      .handle(
        "list",
        Effect.fnUntraced(function*({ urlParams: { status, user_id, ...page } }) {
          const where = status === undefined ? {} : { status }
          const { items, ...rest } = yield* user_id === undefined
            ? storage.jobs.host.list(page, where, "newest")
            : storage.jobs.list(user_id, page, where, "newest")
          return { jobs: items, ...rest }
        })
      )
      .handle("get", ({ path }) => storage.jobs.host.get(path.job_id))
      .handle("retry", ({ path }) => retry(path.job_id))
      .handle("remove", ({ path }) => remove(path.job_id))
  }))
