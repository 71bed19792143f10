import { status as codes } from '@grpc/grpc-js'
import type { EpochMs } from '../../../schemas/time.ts'
import type { PushEventArguments } from '../api-messages.ts'
import type { CallStatus } from '../failures.ts'
import { knowsArtifact, typeOf, type StandInOrg } from './organisation.ts'
import { isDict, isList, readJson, toJson, type Row, type Value } from './vql/values.ts'
import type { WorldInside } from './world.ts'

const eventTypes = new Set(['client_event', 'server_event'])

const unknown = (details: string): CallStatus => ({ code: codes.UNKNOWN, details })

/** Rows as the server makes them of its text: times that are told in text have become moments of UTC. */
const rowsOf = (jsonl: Uint8Array, sender: string): readonly Row[] => {
  // The server writes the sender into every line that ends with an object, before it reads any: an array's rows are mostly without, and
  // `{}` makes no JSON.
  const text = Buffer.from(jsonl)
    .toString('utf8')
    .replace(/\}(?=\n|$)/g, () => `,"_Sender":${toJson(sender)}}`)
  if (!text.startsWith('['))
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => rowOf(readJson(line, { moments: true })))
  const items = readJson(text, { moments: true })
  return isList(items) ? items.map(rowOf) : []
}

const rowOf = (value: Value): Row => {
  if (!isDict(value)) throw new SyntaxError("expect JSON object open with '{'")
  // Said twice, it stands where it was said last.
  return new Map(
    [...value].filter(([key]) => key !== '_Sender').concat([...value].filter(([key]) => key === '_Sender')),
  )
}

/** Rows that a client of the API publishes: each becomes an event of its queue that names its sender, those of an array without. null: they are taken. */
export const pushEvents = (
  world: WorldInside,
  { artifact, client_id, jsonl, org_id }: PushEventArguments,
  principal: string,
  now: EpochMs,
): CallStatus | null => {
  if (!world.knowsUser(principal)) return { code: codes.NOT_FOUND, details: `User not found: ${principal}` }
  const org = world.org(org_id)
  if (org === undefined) return unknown('Org not found')
  if (!world.isMember(principal, org.id)) return { code: codes.NOT_FOUND, details: 'NotFoundError' }
  if (!world.mayPublish(principal, org.id, artifact))
    return { code: codes.PERMISSION_DENIED, details: `Permission denied: PUBLISH ${principal} to ${artifact}` }
  try {
    const rows = rowsOf(jsonl, principal)
    const refused = refusedBy(org, artifact, client_id)
    if (refused !== null) return unknown(refused)
    // Rows of artifacts that are collected belong to a flow, and no queue has them.
    if (!eventTypes.has(typeOf(org, artifact))) return null
    for (const row of rows) {
      const own = [...row].filter(([key]) => key !== '_ts')
      world.emit(org.id, artifact, toJson(new Map(own).set('_Source', principal)), now, client_id)
    }
    return null
  } catch (cause) {
    if (cause instanceof SyntaxError) return unknown(cause.message)
    throw cause
  }
}

/** Why the type of a queue's artifact does not take rows of a client, or of the server, from a user. */
const refusedBy = (org: StandInOrg, queue: string, client: string): string | null => {
  if (!knowsArtifact(org, queue)) return `Artifact ${queue} not known`
  const type = typeOf(org, queue)
  if (type === 'internal' || (type.startsWith('server') && client !== 'server'))
    return `Only servers can write to a ${type.toUpperCase()} artifact_type`
  if (type.startsWith('server')) return null
  const why =
    client === '' ? 'ClientId not provided' : /^(C\.[a-z0-9]+|server)/.test(client) ? null : 'ClientId is not valid'
  return why === null ? null : `Client ID invalid to write to a CLIENT artifact_type: ${why}`
}
