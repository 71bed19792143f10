/**
 * A process of a later version: appends, when it is told `write`, a record of a schema with one more field to partition 0 of a topic, and
 * makes the schema known when it is told `publish`, as every version does before it writes.
 */
import avro from 'avsc'
import { openKafkaLog } from '../../../../connectors/log/kafka-log.ts'
import { systemClock } from '../../../../pipeline/runtime/system-clock.ts'
import { definitions } from '../../../../schemas/definitions.ts'
import { fingerprint } from '../../../../schemas/fingerprint.ts'
import { allTopics, topics } from '../../../../schemas/topics.ts'

export interface NewerWriter {
  readonly brokers: readonly string[]
  readonly prefix: string
  readonly partitions: number
  readonly stateDir: string
  readonly schema: 'FlowEvent' | 'Outcome'
  readonly topic: string
  /** Of the present version. */
  readonly value: object
}

const terms = JSON.parse(process.argv[2] ?? '') as NewerWriter
const present = definitions.get(terms.schema) as { readonly fields: readonly object[] }
const later = {
  ...present,
  fields: [...present.fields, { name: 'since_a_later_version', type: 'string', default: '' }],
} as avro.Schema
const type = avro.Type.forSchema(later, { wrapUnions: false, omitRecordMethods: true })
const canonical = JSON.stringify(type.schema())
const marker = Buffer.alloc(10)
marker.writeUInt16BE(0xc301, 0)
marker.writeBigUInt64LE(fingerprint(canonical), 2)

const log = await openKafkaLog({
  ...terms,
  topics: allTopics,
  clientId: 'newer',
  clock: systemClock(),
  tell: () => undefined,
})
const write = (): Promise<unknown> => {
  const value = Buffer.concat([marker, type.toBuffer({ ...terms.value, since_a_later_version: 'new' })])
  return log.append([{ topic: terms.topic, key: 'newer', partition: 0, value }])
}
const publish = (): Promise<unknown> => {
  const key = fingerprint(canonical).toString(16).padStart(16, '0')
  return log.append([{ topic: topics.schemas.name, key, value: Buffer.from(canonical) }])
}
process.on('message', (asked) => {
  void (asked === 'write' ? write() : publish()).then(() => process.send?.('done'))
})
process.on('disconnect', () => process.exit())
process.send?.('open')
