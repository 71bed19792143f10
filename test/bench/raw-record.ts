import type { NewRecord } from '../../connectors/log/event-log.ts'
import { encode } from '../../schemas/codec.ts'
import type { RawEvent } from '../../schemas/generated.ts'
import { topics } from '../../schemas/topics.ts'

/** A raw record as collect writes it. */
export const rawRecord = (event: RawEvent): NewRecord => ({
  topic: topics.rawFlowCompletions.name,
  key: `${event.org}/${(JSON.parse(event.row) as { readonly ClientId: string }).ClientId}`,
  value: encode('RawEvent', event),
})
