/** The functions and constants that an expression may name. Each takes a time that its number of values bounds. */

type Operation = (...values: ReadonlyArray<number>) => number

interface MathFunction {
  /** How many values it takes, at least and at most. */
  readonly least: number
  readonly most: number
  readonly run: Operation
}

/** Most values that one function takes. */
const maxValues = 1_000

const unary = (run: (x: number) => number): MathFunction => ({ least: 1, most: 1, run: (x) => run(x!) })
const binary = (run: (x: number, y: number) => number): MathFunction => ({
  least: 2,
  most: 2,
  run: (x, y) => run(x!, y!)
})
const optional = (run: (x: number, y: number | undefined) => number): MathFunction => ({
  least: 1,
  most: 2,
  run: (x, y) => run(x!, y)
})
const many = (run: Operation): MathFunction => ({ least: 1, most: maxValues, run })

/** The remainder, with the sign of the divisor. */
export const mod = (x: number, y: number) => y === 0 ? x : x - y * Math.floor(x / y)

/** It is NaN where there is no factorial, and takes at most 170 steps: the next product is Infinity. */
export const factorial = (x: number) => {
  if (!Number.isInteger(x) || x < 0) return Number.NaN
  let product = 1
  for (let i = 2; i <= x && product !== Infinity; i++) product *= i
  return product
}

const round = (x: number, places = 0) => {
  if (!Number.isInteger(places) || places < 0 || places > 15) return Number.NaN
  const scaled = Number(`${Math.abs(x)}e${places}`)
  return Number.isNaN(scaled) ? x : Math.sign(x) * Number(`${Math.round(scaled)}e-${places}`)
}

export const functions: ReadonlyMap<string, MathFunction> = new Map<string, MathFunction>([
  ["abs", unary(Math.abs)],
  ["acos", unary(Math.acos)],
  ["asin", unary(Math.asin)],
  ["atan", unary(Math.atan)],
  ["atan2", binary(Math.atan2)],
  ["cbrt", unary(Math.cbrt)],
  ["ceil", unary(Math.ceil)],
  ["cos", unary(Math.cos)],
  ["exp", unary(Math.exp)],
  ["factorial", unary(factorial)],
  ["floor", unary(Math.floor)],
  ["ln", unary(Math.log)],
  ["log", optional((x, base) => base === undefined ? Math.log(x) : Math.log(x) / Math.log(base))],
  ["log10", unary(Math.log10)],
  ["log2", unary(Math.log2)],
  ["max", many(Math.max)],
  ["mean", many((...values) => values.reduce((sum, value) => sum + value, 0) / values.length)],
  ["min", many(Math.min)],
  ["mod", binary(mod)],
  ["pow", binary((x, y) => x ** y)],
  ["round", optional(round)],
  ["sign", unary(Math.sign)],
  ["sin", unary(Math.sin)],
  ["sqrt", unary(Math.sqrt)],
  ["sum", many((...values) => values.reduce((sum, value) => sum + value, 0))],
  ["tan", unary(Math.tan)],
  ["trunc", unary(Math.trunc)]
])

export const constants: ReadonlyMap<string, number> = new Map([
  ["e", Math.E],
  ["phi", (1 + Math.sqrt(5)) / 2],
  ["pi", Math.PI],
  ["tau", 2 * Math.PI]
])
