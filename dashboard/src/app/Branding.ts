/** The operator's own title, colour and pictures, which come from the server's settings at run time. */
import type { Config } from "../api/Config.ts"
import { ownUrl } from "./Place.ts"

let product = "Stoa"

export const titleOf = (page: string): string => `${page} · ${product}`

/** How bright a channel of a colour is to the eye, as WCAG has it. */
const linear = (channel: number): number => {
  const part = channel / 255
  return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
}

const luminance = (colour: ReadonlyArray<number>): number => {
  const [red = 0, green = 0, blue = 0] = colour.map(linear)
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue
}

/** Least contrast of texts, and the luminances of the panels that the colour is read on. */
const leastContrast = 4.6
const panels = { light: 0.87, dark: 0.012 }

const contrast = (a: number, b: number) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)

/** The colour itself where it can be read on the panels of the theme, or one between it and black or white that can. */
const readable = (accent: string, theme: keyof typeof panels): string => {
  const channels = [1, 3, 5].map((at) => Number.parseInt(accent.slice(at, at + 2), 16))
  const end = theme === "light" ? 0 : 255
  for (let step = 0; step <= 20; step++) {
    const mixed = channels.map((channel) => Math.round(channel + (end - channel) * step / 20))
    if (contrast(luminance(mixed), panels[theme]) >= leastContrast) {
      return `#${mixed.map((channel) => channel.toString(16).padStart(2, "0")).join("")}`
    }
  }
  return theme === "light" ? "#000000" : "#ffffff"
}

export const brand = ({ accent, favicon, title }: Config): void => {
  product = title
  document.title = title
  if (favicon) document.querySelector("link[rel=icon]")?.setAttribute("href", ownUrl("favicon"))
  if (accent === null) return
  const { style } = document.documentElement
  style.setProperty("--accent-base", readable(accent, "light"))
  style.setProperty("--accent-dark-base", readable(accent, "dark"))
}
