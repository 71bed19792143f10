import type { NewRecord } from '../../connectors/log/event-log.ts'
import { encode } from '../../schemas/codec.ts'
import type { Outcome, Reject } from '../../schemas/generated.ts'
import { topics } from '../../schemas/topics.ts'
import { mostEventBytes } from './record-sizes.ts'

/** What is known of an event when its record is set aside. */
export type Known = Partial<Pick<Outcome, 'event' | 'org' | 'client' | 'flow' | 'hunt' | 'name' | 'received_at'>>

/** What was set aside, and was no letter. */
type Aside = Omit<Reject, 'letter' | 'class'>

/** The two records of what could not be read: its bytes (the first 800,000) with the reason, and the outcome `rejected` that stands for every monitor. */
export const rejection = (reject: Aside, known: Known, partition?: number): readonly NewRecord[] => {
  const { topic, offset, reason, at, key } = reject
  const outcome: Outcome = {
    event: '',
    org: '',
    client: '',
    flow: '',
    hunt: '',
    name: '',
    scope: '',
    received_at: 0,
    ...known,
    event_at: { topic, partition: reject.partition, offset },
    at,
    configuration: '',
    replay: '',
    verdicts: [
      {
        monitor: '',
        artifact: '',
        outcome: 'rejected',
        objections: [],
        overruled_by: [],
        of: '',
        reason,
        notices: [],
        warnings: [],
      },
    ],
    deliveries: [],
  }
  const placed = partition === undefined ? {} : { partition }
  return [
    {
      topic: topics.rejects.name,
      key,
      value: encode('Reject', { ...reject, letter: '', class: '', bytes: firstOf(reject.bytes) }),
      ...placed,
    },
    { topic: topics.outcomes.name, key, value: encode('Outcome', outcome), ...placed },
  ]
}

/** A Buffer, whatever kind of bytes they are: the schema takes no other. */
const firstOf = ({ buffer, byteOffset, byteLength }: Uint8Array): Uint8Array =>
  Buffer.from(buffer, byteOffset, Math.min(byteLength, mostEventBytes))
