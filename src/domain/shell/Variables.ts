/** Variables that a command may set without a change of what other commands mean. */

const harmless = new Set([
  "CI",
  "COLUMNS",
  "DEBUG",
  "FORCE_COLOR",
  "GOARCH",
  "GOOS",
  "LANG",
  "LANGUAGE",
  "LINES",
  "NODE_ENV",
  "NO_COLOR",
  "PYTHONDONTWRITEBYTECODE",
  "PYTHONUNBUFFERED",
  "RUST_BACKTRACE",
  "RUST_LOG",
  "TERM",
  "TZ"
])

/** Names of capitals belong to the system and to programs (PATH, IFS, LD_PRELOAD, GIT_*, NODE_OPTIONS); `http_proxy` does as well. */
export const isHarmless = (name: string): boolean =>
  harmless.has(name) || /^LC_[A-Z]+$/.test(name) || (/^[a-z_][a-z0-9_]*$/.test(name) && !name.endsWith("_proxy"))
