/** Files whose change lets others in or runs code later, and files that hold secrets. Somebody is asked about both. */

const folders = new Set([".git", ".ssh", ".gnupg", ".vscode", ".idea", ".aws", ".azure", ".kube", ".husky"])

const files = new Set([
  ".bashrc",
  ".bash_profile",
  ".bash_login",
  ".bash_logout",
  ".bash_aliases",
  ".profile",
  ".zshrc",
  ".zprofile",
  ".zshenv",
  ".zlogin",
  ".zlogout",
  ".kshrc",
  ".cshrc",
  ".tcshrc",
  ".login",
  ".inputrc",
  ".gitconfig",
  ".gitmodules",
  ".git",
  ".npmrc",
  ".yarnrc",
  ".yarnrc.yml",
  ".pypirc",
  ".netrc",
  ".pgpass",
  ".git-credentials",
  ".mcp.json",
  ".ripgreprc",
  ".curlrc",
  ".wgetrc",
  ".vimrc",
  ".exrc",
  ".envrc",
  "authorized_keys",
  "crontab",
  "sudoers"
])

/** Folders of the system, right under the root. */
const system = new Set([
  "bin",
  "boot",
  "dev",
  "etc",
  "lib",
  "lib32",
  "lib64",
  "proc",
  "root",
  "sbin",
  "sys",
  "system",
  "library",
  "usr"
])

const secretFolders = new Set([".ssh", ".gnupg", ".aws", ".azure"])

const secretFiles = new Set([
  ".netrc",
  ".pgpass",
  ".npmrc",
  ".pypirc",
  ".git-credentials",
  ".envrc",
  "id_rsa",
  "id_dsa",
  "id_ecdsa",
  "id_ed25519",
  "shadow",
  "gshadow",
  "sudoers",
  "kubeconfig"
])

/** Environment files but not the examples that are made to be read. */
const isEnv = (name: string) =>
  (name === ".env" || name.startsWith(".env.")) && !/\.(?:example|sample|template|dist)$/.test(name)

/** Where a session keeps the state of its shell, which every later command begins with, and the folders that lead there. */
const shellState = /\/sessions(?:\/[^/.]+(?:\/(?:shell\.sh|folder)(?:\.new)?)?)?$/

/** Case does not count: there are disks where it does not. */
const segmentsOf = (path: string) => path.toLowerCase().split("/")

/** Why somebody is asked before this file is changed. The path is absolute. */
export const dangerOfEdit = (path: string): string | undefined => {
  const segments = segmentsOf(path)
  const name = segments.at(-1)!
  if (segments.some((segment) => folders.has(segment)) || files.has(name) || isEnv(name)) return `changes ${name}`
  if (shellState.test(path.toLowerCase())) return "changes what the shell begins with"
  return segments[0] === "" && system.has(segments[1] ?? "") ? "changes the system" : undefined
}

/** Why somebody is asked before this file is read. */
export const dangerOfRead = (path: string): string | undefined => {
  const segments = segmentsOf(path)
  const name = segments.at(-1)!
  const isSecret = isEnv(name) || secretFiles.has(name) || /\.(?:pem|key|p12|pfx|kdbx)$/.test(name) ||
    (segments.some((segment) => secretFolders.has(segment)) && !name.endsWith(".pub")) ||
    (name === "config" && segments.at(-2) === ".kube") || (name === "config.json" && segments.at(-2) === ".docker") ||
    (segments[1] === "proc" && (name === "environ" || name === "mem"))
  return isSecret ? `reads ${name}` : undefined
}
