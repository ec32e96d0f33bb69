/**
 * Values of parsed expressions. Only the nodes, operators and names listed here
 * mean anything, all of them plain arithmetic in constant time, so that no
 * expression can reach a property, fill the memory or run on.
 */
import type { ConstantNode, FunctionNode, MathNode, OperatorNode, ParenthesisNode, SymbolNode } from "mathjs"

type Operation = (...values: ReadonlyArray<number>) => number

interface Arity {
  readonly least: number
  readonly most: number
  readonly run: Operation
}

/** Most values that one function takes. */
const maxValues = 1_000

const unary = (run: (x: number) => number): Arity => ({ least: 1, most: 1, run: (x) => run(x!) })
const binary = (run: (x: number, y: number) => number): Arity => ({ least: 2, most: 2, run: (x, y) => run(x!, y!) })
const optional = (run: (x: number, y: number | undefined) => number): Arity => ({
  least: 1,
  most: 2,
  run: (x, y) => run(x!, y)
})
const many = (run: Operation): Arity => ({ least: 1, most: maxValues, run })

/** Has the sign of the divisor. */
const mod = (x: number, y: number) => y === 0 ? x : x - y * Math.floor(x / y)

const factorial = (x: number) => {
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

const operators = new Map<string, Arity>([
  ["add", binary((x, y) => x + y)],
  ["subtract", binary((x, y) => x - y)],
  ["multiply", binary((x, y) => x * y)],
  ["divide", binary((x, y) => x / y)],
  ["pow", binary((x, y) => x ** y)],
  ["mod", binary(mod)],
  ["unaryMinus", unary((x) => -x)],
  ["unaryPlus", unary((x) => x)],
  ["factorial", unary(factorial)]
])

const functions = new Map<string, Arity>([
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

const constants = new Map([["e", Math.E], ["phi", (1 + Math.sqrt(5)) / 2], ["pi", Math.PI], ["tau", 2 * Math.PI]])

export const functionNames: ReadonlyArray<string> = [...functions.keys()]
export const constantNames: ReadonlyArray<string> = [...constants.keys()]

const isConstant = (node: MathNode): node is ConstantNode<number | string> => node.type === "ConstantNode"
const isParenthesis = (node: MathNode): node is ParenthesisNode => node.type === "ParenthesisNode"
const isSymbol = (node: MathNode): node is SymbolNode => node.type === "SymbolNode"
const isOperator = (node: MathNode): node is OperatorNode => node.type === "OperatorNode"
const isFunction = (node: MathNode): node is FunctionNode<MathNode> => node.type === "FunctionNode"

export const evaluate = (root: MathNode): number => {
  // The parser puts one node in two places (`x + 5%` is `x + x * 5 / 100`): without
  // this, nesting that would double the work each time.
  const known = new Map<MathNode, number>()

  const apply = (name: string, arity: Arity | undefined, args: ReadonlyArray<MathNode>) => {
    if (arity === undefined) throw new Error(`'${name}' is not known`)
    if (args.length < arity.least || args.length > arity.most) {
      throw new Error(`'${name}' takes another number of values than ${args.length}`)
    }
    return arity.run(...args.map(valueOf))
  }

  const compute = (node: MathNode): number => {
    if (isConstant(node) && typeof node.value === "number") return node.value
    if (isParenthesis(node)) return valueOf(node.content)
    if (isOperator(node)) return apply(node.op, operators.get(node.fn), node.args)
    if (isFunction(node) && isSymbol(node.fn)) {
      return apply(node.fn.name, functions.get(node.fn.name.toLowerCase()), node.args)
    }
    if (isSymbol(node)) {
      const constant = constants.get(node.name.toLowerCase())
      if (constant === undefined) throw new Error(`'${node.name}' is not known`)
      return constant
    }
    throw new Error("it holds something other than numbers, operators, functions and constants")
  }

  const valueOf = (node: MathNode): number => {
    const value = known.get(node) ?? compute(node)
    known.set(node, value)
    return value
  }

  return valueOf(root)
}
