/**
 * The value of an arithmetic expression, computed while it is read from left to
 * right, in a time that is linear in its length. Only the operators below and
 * the names in `Functions.ts` mean anything, so that no expression can reach a
 * property, fill the memory or run on. What people read in two ways is refused
 * with both ways to write it.
 *
 *   sum      = product (("+" | "-") product)*            200 + 5% is 210
 *   product  = factor (("*" | "/" | "mod" | "%") factor)*
 *   factor   = signed power* "%"*                        2 pi, 5%
 *   signed   = ("+" | "-")* power                        -2^2 is -4
 *   power    = postfix ("^" signed)?                     2^3^2 is 512
 *   postfix  = operand "!"*
 *   operand  = number | constant | function "(" sum ("," sum)* ")" | "(" sum ")"
 */
import { constants, factorial, functions, mod } from "./Functions.ts"

/** Deepest nesting of parentheses, functions and exponents: the stack holds many times as much. */
const maxDepth = 100

/** Blanks, and one number, name or other character. */
const token =
  /\s*(?:(?<number>0x[\da-f]+|0o[0-7]+|0b[01]+|(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)|(?<name>[\p{L}_][\p{L}\p{N}_]*)|(?<mark>\S))?/iuy

interface Token {
  readonly kind: "number" | "name" | "mark" | "end"
  readonly text: string
}

const tokensOf = (expression: string): ReadonlyArray<Token> => {
  const tokens: Array<Token> = []
  token.lastIndex = 0
  while (token.lastIndex < expression.length) {
    const { mark, name, number } = token.exec(expression)?.groups ?? {}
    if (number !== undefined) tokens.push({ kind: "number", text: number })
    else if (name !== undefined) tokens.push({ kind: "name", text: name.toLowerCase() })
    else if (mark !== undefined) tokens.push({ kind: "mark", text: mark })
  }
  return tokens
}

interface Factor {
  readonly value: number
  /** It is nothing but a percentage, which a sum takes of what is before it. */
  readonly percent: boolean
}

const end: Token = { kind: "end", text: "" }

/** Throws an `Error` whose message says what is wrong, in words that follow a colon. */
export const evaluate = (expression: string): number => {
  const tokens = tokensOf(expression)
  let at = 0
  let depth = 0

  const next = () => tokens[at] ?? end
  const isNext = (...marks: ReadonlyArray<string>) => next().kind === "mark" && marks.includes(next().text)
  const isMod = () => next().kind === "name" && next().text === "mod"

  const take = (mark: string) => {
    const found = isNext(mark)
    if (found) at += 1
    return found
  }

  const unexpected = (expected: string) =>
    new Error(
      next() === end ? `it ends where ${expected} is expected` : `'${next().text}' stands where ${expected} is expected`
    )

  const nested = <A>(read: () => A): A => {
    depth += 1
    if (depth > maxDepth) throw new Error(`it is nested more than ${maxDepth} deep`)
    const value = read()
    depth -= 1
    return value
  }

  const close = () => {
    if (!take(")")) throw unexpected("an operator or ')'")
  }

  const call = (name: string): number => {
    const known = functions.get(name)
    if (known === undefined) throw new Error(`'${name}' is no function`)
    const values: Array<number> = []
    if (!take(")")) {
      do values.push(nested(sum))
      while (take(","))
      close()
    }
    if (values.length < known.least || values.length > known.most) {
      throw new Error(`'${name}' takes another number of values than ${values.length}`)
    }
    return known.run(...values)
  }

  const operand = (): number => {
    const { kind, text } = next()
    if (kind === "number") {
      at += 1
      return Number(text)
    }
    if (kind === "name") {
      at += 1
      if (take("(")) return call(text)
      const constant = constants.get(text)
      if (constant !== undefined) return constant
      throw new Error(functions.has(text) ? `'${text}' is a function: write '${text}(...)'` : `'${text}' is not known`)
    }
    if (!take("(")) throw unexpected("a number, a name or '('")
    const value = nested(sum)
    close()
    return value
  }

  const postfix = (): number => {
    let value = operand()
    while (take("!")) value = factorial(value)
    return value
  }

  const power = (): number => {
    const base = postfix()
    return take("^") ? base ** nested(signed) : base
  }

  const signed = (): number => {
    let sign = 1
    while (isNext("+", "-")) {
      if (next().text === "-") sign = -sign
      at += 1
    }
    return sign * power()
  }

  /** Whether a factor begins here without an operator before it: `2 pi`, but not `2 2`. */
  const isFactor = () =>
    isNext("(") || (next().kind === "name" && !isMod()) ||
    (next().kind === "number" && tokens[at - 1]?.kind !== "number")

  /** Takes a `%` that makes a percentage. One before a factor is a remainder, and is left for `product`. */
  const takePercent = () => {
    if (!take("%")) return false
    if (isNext("+", "-")) {
      throw new Error("'%' before a sign can be read in two ways: write 'mod', or '(5%)' for a percentage")
    }
    const isRemainder = isFactor()
    if (isRemainder) at -= 1
    return !isRemainder
  }

  const factor = (afterDivision: boolean): Factor => {
    let value = signed()
    const isProduct = isFactor()
    while (isFactor()) {
      if (afterDivision) throw new Error("what is divided by can be read in two ways: write '*' or parentheses")
      value *= power()
    }
    let percent = false
    while (takePercent()) {
      value /= 100
      percent = !isProduct
    }
    return { value, percent }
  }

  const product = (): Factor => {
    let { percent, value } = factor(false)
    for (;;) {
      if (take("*")) value *= factor(false).value
      else if (take("/")) value /= factor(true).value
      else if (isMod() || isNext("%")) {
        at += 1
        value = mod(value, factor(true).value)
      } else return { value, percent }
      percent = false
    }
  }

  const sum = (): number => {
    let value = product().value
    while (isNext("+", "-")) {
      const sign = next().text === "-" ? -1 : 1
      at += 1
      const right = product()
      value += sign * (right.percent ? value * right.value : right.value)
    }
    return value
  }

  const value = sum()
  if (next() !== end) throw unexpected("an operator")
  return value
}
