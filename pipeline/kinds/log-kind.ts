import { decode, encode } from '../../schemas/codec.ts'
import { topics } from '../../schemas/topics.ts'
import { logEventOf } from '../sources/log-event.ts'
import { readLogRow } from '../sources/log-row.ts'
import { rowFields } from '../sources/row-values.ts'
import type { EventKind } from './kind.ts'

const texts = (...parts: readonly string[]): string => parts.filter((part) => part !== '').join(', ')

/** Lines that event artifacts logged and a monitor looks for. Nobody is told of them but by the alerts that are made of them. */
export const logKind: EventKind<'LogEvent'> = {
  name: 'LogEvent',
  raw: [topics.rawServerLogs, topics.rawClientLogs],
  topic: topics.logEvents,
  decide: 'decide.logs',
  // Alerts are made of the whole of it.
  skim: (bytes) => decode('LogEvent', bytes),
  readRow(raw) {
    const row = rowFields(JSON.parse(raw.row))
    const line = readLogRow(row)
    const { artifact, client } = line
    return {
      key: `${raw.org}/${artifact}`,
      about: { client, flow: '', hunt: '', name: artifact },
      asks: client === 'server' ? null : { client, flow: '' },
      // A client that is gone still said it.
      verdictOf: () => 'complete',
      complete: (found) => encode('LogEvent', logEventOf(raw, found, line, row)),
    }
  },
  about: ({ id, org, client, artifact, received_at }) => ({
    event: id,
    org,
    client: client.id,
    flow: '',
    hunt: '',
    name: artifact,
    scope: client.id === 'server' ? 'server logs' : 'client logs',
    received_at,
  }),
  inNotice: () => null,
  compose: () => Promise.reject(new Error('a line of a log is told by its alert')),
  facts: ({ artifact, level, message, client }) => [
    ['logged by', artifact],
    ['level', level],
    ['message', message],
    ['client', texts(client.id, client.hostname, client.system)],
    ['labels', client.labels.join(', ')],
  ],
}
