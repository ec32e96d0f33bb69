/** Where a person writes: text, files, and what an input does while the agent still answers. */
import { Paperclip, SendHorizontal, Square, X } from "lucide-react"
import { type ClipboardEvent, type KeyboardEvent, useId, useRef, useState } from "react"
import type { Ask } from "stoa/client/Client.ts"
import { sentenceOf } from "../../api/Queries.ts"
import { Button, IconButton } from "../../ui/Button.tsx"
import { tell } from "../../ui/Toasts.ts"
import { words } from "../../words/words.ts"

const text = words.chat

/** Largest file, in bytes; the server takes 20 MB together. */
const maxFile = 10 * 1024 * 1024

/** Most rows before the field scrolls. */
const maxRows = 12

export type Busy = keyof typeof text.busy

interface Attached {
  readonly name: string
  readonly media_type: string
  readonly data: string
}

const read = (file: File): Promise<Attached> =>
  new Promise((done, fail) => {
    const reader = new FileReader()
    reader.addEventListener("load", () => {
      const url = String(reader.result)
      done({
        name: file.name,
        media_type: file.type || "application/octet-stream",
        data: url.slice(url.indexOf(",") + 1)
      })
    })
    reader.addEventListener("error", () => fail(reader.error))
    reader.readAsDataURL(file)
  })

const inputOf = (said: string, files: ReadonlyArray<Attached>): Ask["input"] =>
  files.length === 0 ? said : {
    content: [
      ...files.map(({ data, media_type, name }) => ({
        type: "data" as const,
        name,
        source: { type: "base64" as const, data, media_type }
      })),
      ...(said.trim() === "" ? [] : [{ type: "text" as const, text: said }])
    ]
  }

export interface ComposerProps {
  readonly isRunning: boolean
  readonly isDisabled?: boolean
  readonly onSend: (input: Ask["input"], busy: Busy) => Promise<unknown>
  readonly onStop?: () => void
}

export const Composer = ({ isDisabled = false, isRunning, onSend, onStop }: ComposerProps) => {
  const [said, setSaid] = useState("")
  const [files, setFiles] = useState<ReadonlyArray<Attached>>([])
  const [busy, setBusy] = useState<Busy>("steer")
  const [isSending, setSending] = useState(false)
  const chooser = useRef<HTMLInputElement>(null)
  const hint = useId()
  const isEmpty = said.trim() === "" && files.length === 0

  const attach = (chosen: Iterable<File>) => {
    for (const file of chosen) {
      if (file.size > maxFile) tell({ kind: "bad", text: text.tooBig(file.name) })
      else {
        read(file).then(
          (one) => setFiles((before) => [...before, one]),
          (error: unknown) => tell({ kind: "bad", text: sentenceOf(error) })
        )
      }
    }
  }

  const send = async () => {
    if (isEmpty || isSending || isDisabled) return
    setSending(true)
    setSaid("")
    setFiles([])
    try {
      await onSend(inputOf(said, files), busy)
    } catch (error) {
      // What did not arrive is given back, before what was written meanwhile.
      setSaid((now) => now === "" ? said : `${said}\n${now}`)
      setFiles((now) => [...files, ...now])
      tell({ kind: "bad", text: sentenceOf(error) })
    } finally {
      setSending(false)
    }
  }

  const onKeyDown = (event: KeyboardEvent) => {
    // Enter also ends the writing of a character in some languages.
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return
    event.preventDefault()
    void send()
  }

  const onPaste = (event: ClipboardEvent) => {
    const { files } = event.clipboardData
    if (files.length === 0) return
    event.preventDefault()
    attach(files)
  }

  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        void send()
      }}
      onDragOver={(event) => event.preventDefault()}
      onDrop={(event) => {
        event.preventDefault()
        attach(event.dataTransfer.files)
      }}
      className="mx-auto w-full max-w-3xl px-4 pb-4 md:px-6"
    >
      <div className="rounded-xl border border-strong-line bg-panel shadow-(--shadow) focus-within:border-accent">
        {files.length > 0 && (
          <ul className="flex flex-wrap gap-1.5 px-3 pt-2.5">
            {files.map(({ name }, place) => (
              <li key={place} className="inline-flex items-center gap-1 rounded-md bg-sunken py-0.5 pl-2 text-xs">
                <Paperclip aria-hidden className="size-3" />
                <span className="max-w-48 truncate">{name}</span>
                <IconButton
                  icon={X}
                  label={text.detach(name)}
                  className="size-5"
                  onClick={() =>
                    setFiles(files.filter((_, other) =>
                      other !== place
                    ))}
                />
              </li>
            ))}
          </ul>
        )}
        <textarea
          aria-label={text.message}
          aria-describedby={hint}
          placeholder={text.placeholder}
          rows={Math.min(maxRows, said.split("\n").length)}
          value={said}
          disabled={isDisabled}
          onChange={(event) => setSaid(event.target.value)}
          onKeyDown={onKeyDown}
          onPaste={onPaste}
          dir="auto"
          autoFocus
          className="field-sizing-content block max-h-72 min-h-11 w-full resize-none bg-transparent px-3.5 pt-3 pb-1 text-sm leading-relaxed outline-none placeholder:text-muted"
        />
        <div className="flex items-center gap-1.5 px-2 pb-2">
          <input
            ref={chooser}
            type="file"
            multiple
            hidden
            aria-label={text.attach}
            onChange={({ target }) => {
              attach(target.files ?? [])
              target.value = ""
            }}
          />
          <IconButton
            icon={Paperclip}
            label={text.attach}
            disabled={isDisabled}
            onClick={() => chooser.current?.click()}
          />
          <span id={hint} className="flex-1 truncate text-xs text-muted max-sm:invisible">{text.hint}</span>
          {isRunning && (
            <>
              <select
                aria-label={text.whenBusy}
                value={busy}
                onChange={(event) => setBusy(event.target.value as Busy)}
                className="h-7 rounded-md border border-line bg-panel px-1.5 text-xs"
              >
                {Object.entries(text.busy).map(([value, label]) => <option key={value} value={value}>{label}</option>)}
              </select>
              {onStop !== undefined && <Button icon={Square} onClick={onStop}>{text.stop}</Button>}
            </>
          )}
          <Button
            type="submit"
            look="primary"
            icon={SendHorizontal}
            disabled={isEmpty || isDisabled}
            isBusy={isSending}
          >
            {text.send}
          </Button>
        </div>
      </div>
    </form>
  )
}
