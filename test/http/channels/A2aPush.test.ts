/** Updates of tasks that are sent to addresses of the client's. */
import { TaskPushNotificationConfig } from "@a2a-js/sdk"
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import * as Host from "../../../src/layers/Host.ts"
import * as OutboundGuarded from "../../../src/layers/Outbound/Guarded.ts"
import { Jobs } from "../../../src/services/Jobs.ts"
import { clientOf, refusal, saying, stateOf, taskIn, transports } from "../../support/a2a.ts"
import { asked, tenant } from "../../support/openai.ts"
import { patience } from "../../support/Patience.ts"
import { receiver } from "../../support/Receiver.ts"
import * as TestHost from "../../support/TestHost.ts"

const { TestHost: Door } = TestHost

const host = Host.over(Host.memory, { outbound: OutboundGuarded.layer({ hosts: [], loopback: true }) })

const working = Layer.scopedContext(
  Effect.tap(Layer.build(host), (context) => Effect.forkScoped(Context.get(context, Jobs).run))
)

const until = (isSo: () => boolean) =>
  Effect.repeat(Effect.delay(Effect.sync(isSo), 10), { until: (so) => so }).pipe(Effect.timeout(patience(20_000)))

const pay = [{ name: "pay", effect: "write", parameters: { type: "object", properties: {} } }]

layer(TestHost.layer({ host: working }), { excludeTestServices: true, timeout: patience(60_000) })(
  "Updates of a task",
  (it) => {
    it.scoped("reach the address that came with the message, with its token: that it waits, and that it has ended", () =>
      Effect.gen(function*() {
        const { url } = yield* Door
        const { key } = yield* tenant({ client_tools: pay })
        const hook = yield* receiver
        const client = yield* asked(() => clientOf(url, key, "JSONRPC"))
        const taskPushNotificationConfig = {
          url: `${hook.url}/in`,
          token: "the-token",
          authentication: { scheme: "Bearer", credentials: "hidden" }
        }
        const script = "call pay {}\nthen\nresults"
        const task = taskIn(
          yield* asked(() => client.sendMessage(saying(script, {}, { taskPushNotificationConfig })))
        )
        assert.strictEqual(stateOf(task), "TASK_STATE_INPUT_REQUIRED")
        yield* until(() => hook.got.length === 1)
        const [got] = hook.got
        assert.strictEqual(got!.headers["x-a2a-notification-token"], "the-token")
        assert.strictEqual(got!.headers["authorization"], "Bearer hidden")
        assert.deepInclude(got!.json.statusUpdate, { taskId: task.id, contextId: task.contextId })
        assert.strictEqual(got!.json.statusUpdate.status.state, "TASK_STATE_INPUT_REQUIRED")
        const denied = taskIn(yield* asked(() => client.sendMessage(saying("deny", { taskId: task.id }))))
        assert.strictEqual(stateOf(denied), "TASK_STATE_COMPLETED")
        yield* until(() => hook.got.length === 2)
        assert.strictEqual(hook.got[1]!.json.statusUpdate.status.state, "TASK_STATE_COMPLETED")
      }))

    it.scoped("have one receiver of a message that is sent twice, and none of one that no task can have", () =>
      Effect.gen(function*() {
        const { call } = yield* Door
        const { key } = yield* tenant()
        const hook = yield* receiver
        const send = (messageId: string, config: object) =>
          call("POST", "/a2a/message:send", {
            headers: { authorization: `Bearer ${key}`, "a2a-version": "1.0", "idempotency-key": messageId },
            body: {
              message: { messageId, role: "ROLE_USER", parts: [{ text: "say x" }] },
              configuration: {
                returnImmediately: true,
                taskPushNotificationConfig: { url: `${hook.url}/in`, ...config }
              }
            }
          })
        const ask = (path: string) =>
          call("GET", `/a2a/tasks${path}`, { headers: { authorization: `Bearer ${key}`, "a2a-version": "1.0" } })
        for (const wrong of [{ id: "a b" }, { token: "x".repeat(2000) }]) {
          assert.strictEqual((yield* send("wrong", wrong)).status, 400)
        }
        assert.strictEqual((yield* ask("")).json.tasks.length, 0)
        const first = yield* send("twice", {})
        const second = yield* send("twice", {})
        const { id } = first.json.task
        assert.strictEqual(second.json.task.id, id)
        assert.strictEqual((yield* ask(`/${id}/pushNotificationConfigs`)).json.configs.length, 1)
      }))

    for (const transport of transports) {
      it.scoped(`are asked for, shown without secrets, and given up over ${transport}`, () =>
        Effect.gen(function*() {
          const { url } = yield* Door
          const { key } = yield* tenant()
          const bob = yield* tenant()
          const hook = yield* receiver
          const client = yield* asked(() => clientOf(url, key, transport))
          const task = taskIn(
            yield* asked(() => client.sendMessage(saying("sleep 60000", {}, { returnImmediately: true })))
          )
          const config = (more: object) =>
            TaskPushNotificationConfig.fromJSON({ taskId: task.id, url: `${hook.url}/in`, token: "hidden", ...more })
          for (const id of ["first", "second"]) {
            const made = yield* asked(() => client.createTaskPushNotificationConfig(config({ id })))
            assert.deepInclude(made, { id, url: `${hook.url}/in`, token: "" })
          }
          const one = { tenant: "", taskId: task.id, id: "first" }
          assert.strictEqual((yield* asked(() => client.getTaskPushNotificationConfig(one))).url, `${hook.url}/in`)
          yield* asked(() => client.deleteTaskPushNotificationConfig(one))
          const { configs } = yield* asked(() =>
            client.listTaskPushNotificationConfig({ tenant: "", taskId: task.id, pageSize: 10, pageToken: "" })
          )
          assert.deepStrictEqual(configs.map(({ id }) => id), ["second"])
          const inner = yield* refusal(() =>
            client.createTaskPushNotificationConfig(config({ url: "http://169.254.169.254/latest" }))
          )
          assert.include(inner.message, "may not be reached")
          yield* refusal(() => client.createTaskPushNotificationConfig(config({ url: "file:///etc/passwd" })))
          yield* refusal(() => client.createTaskPushNotificationConfig(config({ token: "a\nb" })))
          const theirs = yield* asked(() => clientOf(url, bob.key, transport))
          const foreign = yield* refusal(() => theirs.createTaskPushNotificationConfig(config({ id: "third" })))
          assert.include(foreign.name, "TaskNotFoundError")
          yield* asked(() => client.cancelTask({ tenant: "", id: task.id, metadata: undefined }))
          yield* until(() => hook.got.length === 1)
          assert.strictEqual(hook.got[0]!.json.statusUpdate.status.state, "TASK_STATE_CANCELED")
          // Who asks after the end hears of it all the same.
          yield* asked(() => client.createTaskPushNotificationConfig(config({ id: "late" })))
          yield* until(() => hook.got.length === 2)
        }))
    }
  }
)
