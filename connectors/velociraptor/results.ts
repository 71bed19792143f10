import { isDictionary, parseExact, type Dictionary } from './exact-json.ts'
import { failureOf, type LogLine } from './failures.ts'
import type { Velociraptor } from './velociraptor.ts'

/** Stored rows of one source of a flow. */
export interface ResultSource {
  readonly org: string
  readonly client: string
  readonly flow: string
  /** `Artifact` or `Artifact/Source`. */
  readonly source: string
}

const timeoutS = 300

/**
 * Reads a flow's stored rows in order until `take` answers false. Rejects with ConnectorError, also when the query ended well but its
 * log says that it failed, and with what `take` throws.
 */
export const readResults = (
  velociraptor: Velociraptor,
  { org, client, flow, source }: ResultSource,
  take: (row: Dictionary) => boolean,
): Promise<void> =>
  new Promise((resolve, reject) => {
    const log: LogLine[] = []
    const vql = 'SELECT * FROM flow_results(client_id=CId, flow_id=FId, artifact=SourceName)'
    const reading = velociraptor
      .query({ org, vql, env: { CId: client, FId: flow, SourceName: source }, timeoutS })
      .subscribe({
        next(message) {
          if (message.kind === 'log') return void log.push(message)
          try {
            for (const text of message.rows) {
              const row = parseExact(text)
              if (isDictionary(row) && !take(row)) {
                // A stream that answers at once calls back before `reading` is there.
                queueMicrotask(() => reading.unsubscribe())
                return resolve()
              }
            }
          } catch (cause) {
            queueMicrotask(() => reading.unsubscribe())
            reject(cause as Error)
          }
        },
        error: reject,
        complete() {
          const failure = failureOf(log, vql)
          if (failure === null) resolve()
          else reject(failure)
        },
      })
  })
