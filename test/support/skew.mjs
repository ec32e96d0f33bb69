/** Loaded into a server before everything else (`--import`): its clock is wrong by `TEST_CLOCK_SKEW` milliseconds. */
const skew = Number(process.env.TEST_CLOCK_SKEW ?? 0)
const Right = Date

globalThis.Date = class extends Right {
  constructor(...given) {
    if (given.length === 0) super(Right.now() + skew)
    else super(...given)
  }

  static now() {
    return Right.now() + skew
  }
}
