import { Link } from "@tanstack/react-router"
import type { ReactNode } from "react"

export interface Column<Row> {
  readonly title: string
  readonly cell: (row: Row) => ReactNode
  /** Numbers stand at the right. */
  readonly isNumber?: boolean
  /** It goes first where there is little room. */
  readonly isLess?: boolean
  /** For a column of buttons, whose title nobody needs to see. */
  readonly isUntitled?: boolean
}

export interface TableProps<Row> {
  /** What it lists, for those who do not see it. */
  readonly label: string
  readonly rows: ReadonlyArray<Row>
  readonly columns: ReadonlyArray<Column<Row>>
  readonly idOf: (row: Row) => string
  /** Where the first cell of a row leads. */
  readonly to?: (row: Row) => string
}

export function Table<Row>({ columns, idOf, label, rows, to }: TableProps<Row>) {
  return (
    <div
      className="overflow-x-auto rounded-lg border border-line bg-panel"
      tabIndex={0}
      role="region"
      aria-label={label}
    >
      <table className="w-full border-collapse text-sm">
        <thead>
          <tr className="border-b border-line text-left text-xs text-muted">
            {columns.map(({ isLess, isNumber, isUntitled, title }) => (
              <th
                key={title}
                scope="col"
                className={`px-3 py-2 font-medium whitespace-nowrap ${isNumber === true ? "text-right" : ""} ${
                  isLess === true ? "max-md:hidden" : ""
                }`}
              >
                {isUntitled === true ? <span className="sr-only">{title}</span> : title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={idOf(row)} className="relative border-b border-line last:border-0 hover:bg-sunken">
              {columns.map(({ cell, isLess, isNumber, title }, index) => (
                <td
                  key={title}
                  className={`px-3 py-2 align-middle ${isNumber === true ? "text-right tabular-nums" : ""} ${
                    isLess === true ? "max-md:hidden" : ""
                  }`}
                >
                  {index === 0 && to !== undefined
                    ? (
                      <Link to={to(row)} className="font-medium text-text no-underline hover:underline">
                        {cell(row)}
                      </Link>
                    )
                    : cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
