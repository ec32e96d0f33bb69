/** Models as they are, and what they are asked. */
import { Context, Layer } from "effect"
import * as ModelsRouter from "../../src/layers/Models/Router.ts"
import * as OutboundOpen from "../../src/layers/Outbound/Open.ts"
import { type ModelCall, Models } from "../../src/services/Models.ts"

/** Models that put each call for an answer into `asked` before they make it. */
export const modelsAsked = (asked: Array<ModelCall>) =>
  Layer.map(ModelsRouter.layerDefault.pipe(Layer.provide(OutboundOpen.layer)), (context) => {
    const inner = Context.get(context, Models)
    const stream: typeof inner.stream = (call, take) => {
      asked.push(call)
      return inner.stream(call, take)
    }
    return Context.add(context, Models, { ...inner, stream })
  })
