import { words } from "../words/words.ts"

/** Stands for lines that are on their way. */
export const Skeleton = ({ rows = 4 }: { readonly rows?: number }) => (
  <div role="status" aria-label={words.app.loading} className="flex flex-col gap-2">
    {Array.from({ length: rows }, (_, row) => <div key={row} className="waits h-9 rounded-md bg-sunken" />)}
  </div>
)
