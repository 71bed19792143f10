import type { Tell } from '../../../schemas/happenings.ts'
import type { ConnectorError } from '../../errors.ts'

/** Trouble of several kinds at once, said once when it lasts, and its end once. */
export interface Outage {
  /** undefined: this kind is well again. */
  report(kind: string, error: ConnectorError | undefined): void
  close(): void
}

/** A change of leaders or a broker's restart heals sooner, and is nobody's business. */
const patienceMs = 3000

export const openOutage = (tell: Tell, coordinates: Readonly<Record<string, string>>): Outage => {
  const troubles = new Map<string, ConnectorError>()
  let failed = 0
  let isTold = false
  let timer: NodeJS.Timeout | undefined

  const say = (): void => {
    const [error] = troubles.values()
    if (error === undefined) return
    isTold = true
    tell({ name: 'log unavailable', reason: error.message, ...coordinates })
  }

  const end = (): void => {
    clearTimeout(timer)
    timer = undefined
    if (isTold) tell({ name: 'log available again', failed, ...coordinates })
    isTold = false
    failed = 0
  }

  return {
    report: (kind, error) => {
      if (error !== undefined) {
        failed++
        troubles.set(kind, error)
        timer ??= setTimeout(say, patienceMs).unref()
      } else if (troubles.delete(kind) && troubles.size === 0) end()
    },
    close: () => clearTimeout(timer),
  }
}
