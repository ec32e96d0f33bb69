/**
 * Runs before each test file. Files share their process, because loading Effect and the server anew takes longer than
 * most of them. `layer` of @effect/vitest writes its own testers over those of the one `it` that all files have, so
 * that a later file would be run with the closed layer of an earlier one: here everybody gets the plain ones back.
 */
import { effect, flakyTest, it, layer, live, prop, scoped, scopedLive } from "@effect/vitest"

Object.assign(it, { effect, flakyTest, layer, live, prop, scoped, scopedLive })
