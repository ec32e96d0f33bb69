/** Programs with subcommands, programs of the network, and those that destroy. */
import { git } from "./Git.ts"
import { options } from "./Options.ts"
import { dangerous, network, read, unknown, type Verdict, type Word } from "./Part.ts"
import type { Judge } from "./Readers.ts"

interface Verbs {
  readonly read?: ReadonlyArray<string>
  readonly network?: ReadonlyArray<string>
  readonly danger?: ReadonlyArray<string>
  /** What all others do. */
  readonly rest?: Verdict
}

/** By the first one or two words that are no options; options before them make it unknown, or what `rest` says. */
const verbs = ({ danger = [], network: online = [], read: readers = [], rest = unknown }: Verbs): Judge => (args) => {
  const [first, second] = args.filter((word) => word === undefined || !word.startsWith("-"))
  const named = [first, `${first} ${second}`]
  const is = (names: ReadonlyArray<string>) => first !== undefined && named.some((name) => names.includes(name!))
  if (is(danger)) return dangerous("publishes, deletes or destroys")
  if (args[0]?.startsWith("-") || first === undefined) return rest
  return is(readers) && !args.includes(undefined) ? read : is(online) ? network : rest
}

const npm = verbs({
  read: ["ls", "list", "ll", "root", "prefix", "explain", "why", "config get", "config list"],
  network: `install i ci add update up upgrade view info show search outdated audit login logout whoami ping fund dedupe
    remove rm un uninstall link`.split(/\s+/),
  danger: ["publish", "unpublish", "deprecate", "owner", "access", "token", "dist-tag"]
})

const pip = verbs({
  read: ["list", "show", "freeze", "check"],
  network: ["install", "download", "index", "search", "wheel"]
})

const docker = verbs({
  read: ["ps", "images", "version", "info", "container ls", "image ls", "volume ls", "network ls"],
  network: ["pull", "push", "login", "logout", "search"],
  danger: [
    "system prune",
    "volume rm",
    "volume prune",
    "image prune",
    "container prune",
    "network prune",
    "builder prune"
  ]
})

const subcommands: ReadonlyArray<readonly [string, Judge]> = [
  ["npm", npm],
  ["pnpm", npm],
  ["yarn", npm],
  ["bun", npm],
  ["pip", pip],
  ["pip3", pip],
  ["uv", verbs({ network: ["sync", "add", "lock", "pip install"], danger: ["publish"] })],
  ["poetry", verbs({ network: ["install", "add", "update", "lock"], danger: ["publish"] })],
  ["gem", verbs({ read: ["list"], network: ["install", "update", "search"], danger: ["push", "yank"] })],
  ["twine", verbs({ danger: ["upload"] })],
  ["cargo", verbs({ network: ["fetch", "search", "add", "install", "update"], danger: ["publish", "yank"] })],
  ["go", verbs({ read: ["version"], network: ["get", "mod download", "install"] })],
  ["apt", verbs({ rest: unknown, network: ["update", "search"] })],
  ["docker", docker],
  ["podman", docker],
  ["kubectl", verbs({ danger: ["delete", "drain"], rest: network })],
  ["helm", verbs({ danger: ["uninstall", "delete"], rest: network })],
  ["terraform", verbs({ danger: ["destroy", "apply", "state rm"] })],
  ["aws", verbs({ danger: ["s3 rm", "s3 rb"], rest: network })],
  ["gcloud", verbs({ rest: network })],
  ["az", verbs({ rest: network })],
  ["gh", verbs({ danger: ["repo delete", "release delete", "secret delete"], rest: network })],
  ["systemctl", verbs({ read: ["status", "list-units", "is-active"], danger: ["poweroff", "reboot", "halt"] })],
  ["crontab", (args) => args.length === 1 && args[0] === "-l" ? read : dangerous("changes what runs later")]
]

/** What they fetch is written where an option says; other options do not matter, since somebody is asked anyway. */
const fetching: Judge = (args) => {
  const { given } = options(args, {
    any: true,
    values: "oOT",
    longValues: ["output", "output-document", "output-dir", "upload-file", "config"]
  })
  const named = ["o", "output", "O", "output-document"].flatMap((name) => given.get(name) ?? [])
  // `-O` of curl has no value, so that a word behind it may be an address.
  const writes = named.filter((path) => path !== undefined && path !== "-" && !path.includes("://"))
  const reads = args.flatMap((word) =>
    word === undefined || /^https?:/.test(word) ? [] : [word.replace(/^[^@]*@/, "").replace(/^file:\/\//, "")]
  )
  return { effect: "network", writes, reads }
}

const online =
  `ssh scp sftp ftp telnet nc ncat netcat socat rsync ping ping6 dig nslookup host whois traceroute mtr nmap
  openssl sendmail mail lynx w3m links http https httpie mosh rclone s3cmd aria2c axel youtube-dl yt-dlp`.split(/\s+/)

const destroying = `mkfs fdisk sfdisk parted wipefs shred shutdown reboot halt poweroff init telinit userdel groupdel
  usermod passwd visudo iptables nft ufw chpasswd dropdb mkswap swapoff cryptsetup lvremove vgremove pvremove debugfs
  hdparm blkdiscard insmod modprobe rmmod chattr setfacl kexec`.split(/\s+/)

const kill: Judge = (args) => args.includes("-1") && args.at(-1) === "-1" ? dangerous("ends every process") : unknown

export const programs: ReadonlyMap<string, Judge> = new Map<string, Judge>([
  ...subcommands,
  ["git", git],
  ["curl", fetching],
  ["wget", fetching],
  ["kill", kill],
  ...online.map((name) => [name, () => network] as const),
  ...destroying.map((name) => [name, () => dangerous("changes the system")] as const)
])

/** `mkfs.ext4` and its like are one program each. */
export const isDestroying = (name: string): boolean => name.startsWith("mkfs.") || name.startsWith("fsck.")

/** They run the text that they get: as an argument, from a file, or from what is piped into them. */
export const interpreters = new Set(
  `sh bash dash zsh ksh fish csh tcsh python python2 python3 perl ruby node nodejs deno bun php lua osascript pwsh
  eval source . tclsh Rscript`.split(/\s+/)
)

const shells = new Set(["sh", "bash", "dash", "zsh", "ksh", "fish", "csh", "tcsh"])

/** Without a script of its own such a program runs what is piped into it. */
export const runsItsInput = (name: string, args: ReadonlyArray<Word>): boolean =>
  args.some((word) => word === "-" || word === "/dev/stdin" || (word === "-s" && shells.has(name))) ||
  args.every((word) =>
    word !== undefined && word.startsWith("-") &&
    !(shells.has(name) ? /^-[a-z]*c/ : /^-(?:[cemnprE]|-(?:eval|print|version|help))/).test(word)
  )
