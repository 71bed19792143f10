import type { Observable } from 'rxjs'
import { of } from 'rxjs'
import type { EventLog } from '../../connectors/log/event-log.ts'
import { decode } from '../../schemas/codec.ts'
import type { Verdict } from '../../schemas/generated.ts'
import { topics } from '../../schemas/topics.ts'
import { singleLine } from '../letters/texts.ts'
import { runTopology } from '../runtime/run-topology.ts'

/** Counts of what has been told so far. */
export interface Told {
  events: number
  verdicts: number
  deliveries: number
  notices: number
}

/** Follows the outcomes of a log and prints each event with its verdicts and their reasons. */
export const narrate = (log: EventLog, told: Told, print: (line: string) => void): Observable<never> =>
  runTopology(log, { name: 'narrator', inputs: [topics.outcomes.name] }, () => ({
    turn: ({ records }) => {
      for (const { value } of records) {
        const outcome = decode('Outcome', value)
        told.deliveries += outcome.deliveries.length
        if (outcome.verdicts.length === 0) continue
        told.events += 1
        print(`event    ${singleLine(`${outcome.flow} on ${outcome.client}`)}`)
        for (const verdict of outcome.verdicts) {
          told.verdicts += 1
          told.notices += verdict.notices.length
          print(`         ${singleLine(`${verdict.monitor}: ${verdict.outcome}${because(verdict)}`)}`)
        }
      }
      return of({ append: [], put: [] })
    },
  }))

const because = ({ objections, overruled_by, reason, notices }: Verdict): string => {
  const said = objections.map((objection) => `${objection.by}: ${objection.reason}`).join('; ')
  if (notices.length > 0) {
    const people = notices.length === 1 ? '1 person' : `${notices.length} people`
    return `, ${people}${overruled_by.length === 0 || said === '' ? '' : `, although ${said}, because of ${overruled_by.join(' and ')}`}`
  }
  return [reason, said]
    .filter((text) => text !== '')
    .map((text) => `, ${text}`)
    .join('')
}
