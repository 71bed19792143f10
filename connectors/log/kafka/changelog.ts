import type { StateKey } from '../event-log.ts'

/** One change of a task's memory as it stands in its changelog: what is kept under `key`, null when it goes. */
export interface ChangelogEntry {
  readonly key: string
  readonly value: Uint8Array | null
}

/** First letter of a changelog's keys: what the rest is. */
const kinds = { state: 's', position: 'p', owner: 'o' } as const

export const stateKeyOf = (key: StateKey): string => kinds.state + key.toWellFormed()

export const positionKeyOf = (topic: string): string => kinds.position + topic

/** The key of the marker with which an owner knows that it has read all that was written before it. */
export const ownerKey = kinds.owner

export const positionEntry = (topic: string, next: number): ChangelogEntry => ({
  key: positionKeyOf(topic),
  value: Buffer.from(String(next)),
})
