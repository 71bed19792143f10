import type { AlertEvent } from '../../schemas/generated.ts'
import type { Filter } from '../object-to.ts'
import { listed } from './listed.ts'

export interface SeverityFilterRule {
  /** Severities that may be told, compared without regard to case; none: any. */
  readonly threshold: readonly string[]
  readonly severityOf: (event: AlertEvent) => string
}

/** Objects to alerts of another severity than those that are asked for; one without a severity passes. */
export const severityFilter = ({ threshold, severityOf }: SeverityFilterRule): Filter<AlertEvent> => {
  const wanted = new Set(threshold.map((severity) => severity.toLowerCase()))
  const all = listed(threshold)
  return (event) => {
    const severity = wanted.size === 0 ? '' : severityOf(event)
    if (severity === '' || wanted.has(severity.toLowerCase())) return null
    return { by: 'severity', reason: `the severity ${shown(severity)} is none of ${all}` }
  }
}

const longest = 100
const shown = (severity: string): string => (severity.length > longest ? `${severity.slice(0, longest)}…` : severity)
