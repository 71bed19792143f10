import type { Observable } from 'rxjs'

export interface QueryRequest {
  /** Organisation id; `root` for the root organisation. */
  readonly org: string
  /** Exactly one SELECT as last statement. Values go into `env`, never into the text. */
  readonly vql: string
  readonly env?: Readonly<Record<string, string>>
  /** Rows in one message at most; default 1000. */
  readonly mostRows?: number
  /** Seconds a row may wait for company on the server; whole seconds, at least 1; default 1. */
  readonly longestWaitS?: number
  /** Seconds after which the server ends the query; default none. */
  readonly timeoutS?: number
}

/** A message of a query's stream: rows as the verbatim JSON text of each, or a line of the query's log. */
export type QueryMessage =
  | { readonly kind: 'rows'; readonly rows: readonly string[] }
  | { readonly kind: 'log'; readonly level: string; readonly text: string }

/** What the relay asks of a Velociraptor server: one query, one stream. */
export interface Velociraptor {
  /**
   * Runs a query. Completes when the server ends the stream with OK (which for an event query means that it failed:
   * see `failureOf`). Errors with ConnectorError VELOCIRAPTOR_UNAVAILABLE, VELOCIRAPTOR_DENIED or CLOSED. Unsubscribing
   * cancels. The stream is always drained: it never holds the server back.
   */
  query(request: QueryRequest): Observable<QueryMessage>
  close(): Promise<void>
}
