/** The texts of this page in the reader's language. A new language is one more table here; changing it reloads the page. */
import { en } from "./en.ts"

export type Words = typeof en

const tables: Readonly<Record<string, Words>> = { en }

const wanted = navigator.languages.map((tag) => tag.split("-", 1)[0]!.toLowerCase())

export const language = wanted.find((tag) => tag in tables) ?? "en"

export const words: Words = tables[language] ?? en
