import { decode, encode } from '../../schemas/codec.ts'
import { topics } from '../../schemas/topics.ts'
import { queueEventOf } from '../sources/queue-event.ts'
import { readQueueRow } from '../sources/queue-row.ts'
import { rowFields } from '../sources/row-values.ts'
import type { EventKind } from './kind.ts'

const texts = (...parts: readonly string[]): string => parts.filter((part) => part !== '').join(', ')

/** Rows of event queues that monitors name. Nobody is told of them but by the alerts that are made of them. */
export const queueKind: EventKind<'QueueEvent'> = {
  name: 'QueueEvent',
  raw: [topics.rawQueueEvents],
  topic: topics.queueEvents,
  decide: 'decide.queue-events',
  // Alerts are made of the whole of it.
  skim: (bytes) => decode('QueueEvent', bytes),
  readRow(raw) {
    const row = rowFields(JSON.parse(raw.row))
    const { client } = readQueueRow(row)
    return {
      key: `${raw.org}/${raw.queue}`,
      about: { client, flow: '', hunt: '', name: raw.queue },
      asks: client === 'server' ? null : { client, flow: '' },
      verdictOf: () => 'complete',
      complete: (found) => encode('QueueEvent', queueEventOf(raw, found, client, row)),
    }
  },
  about: ({ id, org, client, queue, received_at }) => ({
    event: id,
    org,
    client: client.id,
    flow: '',
    hunt: '',
    name: queue,
    scope: queue,
    received_at,
  }),
  inNotice: () => null,
  compose: () => Promise.reject(new Error('a row of a queue is told by its alert')),
  facts: ({ queue, client }) => [
    ['queue', queue],
    ['client', texts(client.id, client.hostname, client.system)],
    ['labels', client.labels.join(', ')],
  ],
}
