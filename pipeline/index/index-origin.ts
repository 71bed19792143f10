import type { EventLog } from '../../connectors/log/event-log.ts'
import { topics } from '../../schemas/topics.ts'
import type { Applied } from './outcome-index.ts'

/**
 * Whether an index was made from this log as far as a partition tells: the last outcome that it applied stands there with its time, or
 * everything so old has been removed since. The log may have been replaced, or set back to a copy. null: an empty partition tells nothing.
 */
export const belongsTo = async (log: EventLog, partition: number, { next, time }: Applied): Promise<boolean | null> => {
  if (next === 0) return true
  const topic = topics.outcomes.name
  for await (const [last] of log.read({ topic, partition, from: { offset: next - 1 }, to: { offset: next } }))
    return last?.timestamp === time
  for await (const [first] of log.read({ topic, partition })) return first !== undefined && first.offset >= next
  return null
}
