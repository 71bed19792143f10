import { status as codes } from '@grpc/grpc-js'
import type { EpochMs } from '../../../schemas/time.ts'
import type { PushEventArguments } from '../api-messages.ts'
import type { WorldInside } from './world.ts'

/** Why rows are not taken, as gRPC says it. */
export interface Refusal {
  readonly code: codes
  readonly details: string
}

const rowsOf = (jsonl: Uint8Array): readonly Readonly<Record<string, unknown>>[] => {
  const text = Buffer.from(jsonl).toString('utf8')
  if (text.startsWith('[')) return JSON.parse(text) as readonly Readonly<Record<string, unknown>>[]
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>)
}

/** Rows that a client of the API publishes: each becomes an event of its queue that names its sender. null: they are taken. */
export const pushEvents = (
  world: WorldInside,
  { artifact, client_id, jsonl, org_id }: PushEventArguments,
  principal: string,
  now: EpochMs,
): Refusal | null => {
  if (!world.knowsUser(principal)) return { code: codes.NOT_FOUND, details: `User not found: ${principal}` }
  const org = world.org(org_id)
  if (org === undefined) return { code: codes.UNKNOWN, details: `Organization ${org_id} not found` }
  if (!world.mayPublish(principal, org.id, artifact))
    return { code: codes.PERMISSION_DENIED, details: `Permission denied: PUBLISH ${principal} to ${artifact}` }
  try {
    for (const row of rowsOf(jsonl)) {
      const from = client_id === '' ? row : { ClientId: client_id, ...row }
      world.emit(org.id, artifact, { ...from, _Sender: principal, _Source: principal }, now)
    }
    return null
  } catch (cause) {
    return { code: codes.UNKNOWN, details: (cause as Error).message }
  }
}
