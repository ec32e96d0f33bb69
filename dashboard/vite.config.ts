import tailwind from "@tailwindcss/vite"
import react from "@vitejs/plugin-react"
import { fileURLToPath } from "node:url"
import { defineConfig } from "vite"

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url))

export default defineConfig({
  root: at("."),
  // Whatever path the server is mounted at, files find each other from where they are.
  base: "./",
  plugins: [react(), tailwind()],
  resolve: {
    alias: { "stoa/client": at("../src/http/client"), "stoa/domain": at("../src/domain") }
  },
  build: {
    outDir: at("../dist/dashboard"),
    emptyOutDir: true,
    target: "es2023",
    // A file in the text of another would be a script or a picture that the page's policy does not know.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false }
  }
})
