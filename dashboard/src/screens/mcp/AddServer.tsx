import { type FormEvent, useState } from "react"
import { post } from "../../api/Api.ts"
import { sentenceOf, useChange } from "../../api/Queries.ts"
import { Button } from "../../ui/Button.tsx"
import { Dialog } from "../../ui/Dialog.tsx"
import { Field, Input, Select, TextArea } from "../../ui/Field.tsx"
import { Notice } from "../../ui/Notice.tsx"
import { words } from "../../words/words.ts"

const text = words.mcp

type Kind = keyof typeof text.kinds

const linesOf = (lines: string) => lines.split("\n").map((line) => line.trim()).filter((line) => line !== "")

/** Lines of names and values, parted by the first of a character. */
const pairsOf = (lines: string, by: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    linesOf(lines).map((line) => {
      const at = line.indexOf(by)
      return at < 0 ? [line, ""] : [line.slice(0, at).trim(), line.slice(at + 1).trim()]
    })
  )

interface Draft {
  readonly name: string
  readonly kind: Kind
  readonly url: string
  readonly headers: string
  readonly command: string
  readonly args: string
  readonly env: string
}

const empty: Draft = { name: "", kind: "http", url: "", headers: "", command: "", args: "", env: "" }

const configOf = ({ args, command, env, headers, kind, url }: Draft) =>
  kind === "http"
    ? { type: "http_mcp", url, headers: pairsOf(headers, ":") }
    : { type: "stdio_mcp", command, args: linesOf(args), env: pairsOf(env, "=") }

interface PartProps {
  readonly draft: Draft
  readonly onChange: (draft: Draft) => void
}

const ByAddress = ({ draft, onChange }: PartProps) => (
  <>
    <Field label={text.url}>
      {(tied) => (
        <Input
          {...tied}
          required
          type="url"
          placeholder="https://mcp.example.com/mcp"
          value={draft.url}
          onChange={(event) => onChange({ ...draft, url: event.target.value })}
        />
      )}
    </Field>
    <Field label={text.headers} about={text.headersAbout} isOptional>
      {(tied) => (
        <TextArea
          {...tied}
          spellCheck={false}
          className="font-mono text-xs"
          value={draft.headers}
          onChange={(event) => onChange({ ...draft, headers: event.target.value })}
        />
      )}
    </Field>
  </>
)

const ByCommand = ({ draft, onChange }: PartProps) => (
  <>
    <Field label={text.command} about={text.commandAbout}>
      {(tied) => (
        <Input
          {...tied}
          required
          className="font-mono"
          placeholder="npx"
          value={draft.command}
          onChange={(event) => onChange({ ...draft, command: event.target.value })}
        />
      )}
    </Field>
    <Field label={text.args} isOptional>
      {(tied) => (
        <TextArea
          {...tied}
          spellCheck={false}
          className="font-mono text-xs"
          value={draft.args}
          onChange={(event) => onChange({ ...draft, args: event.target.value })}
        />
      )}
    </Field>
    <Field label={text.env} isOptional>
      {(tied) => (
        <TextArea
          {...tied}
          spellCheck={false}
          className="font-mono text-xs"
          value={draft.env}
          onChange={(event) => onChange({ ...draft, env: event.target.value })}
        />
      )}
    </Field>
  </>
)

/** Adds a server to the library. */
export const AddServer = ({ onClose }: { readonly onClose: () => void }) => {
  const [draft, setDraft] = useState(empty)
  const add = useChange({
    run: (server: Draft) =>
      post<object, { readonly id: string }>("/mcp/servers", { name: server.name, mcp_config: configOf(server) }),
    changes: ["mcp"],
    isQuiet: true,
    next: onClose
  })
  const send = (event: FormEvent) => {
    event.preventDefault()
    add.mutate(draft)
  }
  return (
    <Dialog
      isOpen
      onClose={onClose}
      title={text.add}
      actions={
        <>
          <Button onClick={onClose}>{words.app.cancel}</Button>
          <Button type="submit" form="add-mcp" look="primary" isBusy={add.isPending}>{text.add}</Button>
        </>
      }
    >
      <form id="add-mcp" onSubmit={send} className="flex flex-col gap-3.5">
        <Field label={words.app.name} about={text.nameAbout}>
          {(tied) => (
            <Input
              {...tied}
              required
              value={draft.name}
              onChange={(event) => setDraft({ ...draft, name: event.target.value })}
            />
          )}
        </Field>
        <Field label={text.kind}>
          {(tied) => (
            <Select
              {...tied}
              value={draft.kind}
              options={Object.entries(text.kinds).map(([value, label]) => ({ value, label }))}
              onChange={(kind) => setDraft({ ...draft, kind: kind === "stdio" ? "stdio" : "http" })}
            />
          )}
        </Field>
        {draft.kind === "http"
          ? <ByAddress draft={draft} onChange={setDraft} />
          : <ByCommand draft={draft} onChange={setDraft} />}
        {add.error !== null && <Notice kind="bad">{sentenceOf(add.error)}</Notice>}
      </form>
    </Dialog>
  )
}
