import { status as codes } from '@grpc/grpc-js'
import type { EpochMs } from '../../../schemas/time.ts'
import type { BufferArguments } from '../api-messages.ts'
import type { CallStatus } from '../failures.ts'
import { storedAt } from './stored-files.ts'
import type { KeptFile } from './uploads.ts'
import type { WorldInside } from './world.ts'

/** Folders that nobody reads from, whatever his permissions. */
const denied = new Set(['acl', 'backups', 'config', 'orgs', 'secrets', 'users'])

/** Bytes of a file of the server's store: none from its end on, and of a folder. Else why not, as a server says it that was started with `-v`. */
export const vfsGetBuffer = (
  world: WorldInside,
  { client_id, components, offset, length, org_id, padding }: BufferArguments,
  principal: string,
  now: EpochMs,
): CallStatus | Uint8Array => {
  if (!world.knowsUser(principal)) return { code: codes.NOT_FOUND, details: `User not found: ${principal}` }
  const org = world.org(org_id)
  if (org === undefined) return { code: codes.UNKNOWN, details: 'Org not found' }
  if (!world.allows(principal, org.id, 'READ_RESULTS'))
    return { code: codes.PERMISSION_DENIED, details: 'User is not allowed to view the VFS.' }
  if (client_id === '' && components.length === 0) return { code: codes.INVALID_ARGUMENT, details: 'Invalid pathspec' }
  // Below a client's folder the server looks for `.json` files only, and adds the ending by itself.
  const path = (client_id === '' ? components : withEnding(['clients', client_id, ...components])).filter(
    (name) => name !== '',
  )
  if (denied.has(path[0] ?? '')) return { code: codes.PERMISSION_DENIED, details: 'No access to filesystem path' }
  const found = storedAt(world, org, path, now)
  if (found === 'folder') return new Uint8Array()
  if (found === 'nothing') return { code: codes.NOT_FOUND, details: `${opening(path)}: no such file or directory` }
  if (found === 'below a file') return { code: codes.UNKNOWN, details: `${opening(path)}: not a directory` }
  // Beyond any file, and beyond what a number holds exactly, there is nothing anyway.
  const from = Number(offset)
  return padding === false ? found.bytes.subarray(from, from + length) : padded(found, from, length)
}

const withEnding = (path: readonly string[]): readonly string[] => [...path.slice(0, -1), `${path.at(-1) ?? ''}.json`]

const opening = (path: readonly string[]): string => `open /velociraptor/${path.map(encodeURIComponent).join('/')}`

/** As if the file were not sparse: zeros where nothing was stored. */
const padded = ({ bytes, runs }: KeptFile, from: number, length: number): Uint8Array => {
  if (runs === undefined) return bytes.subarray(from, from + length)
  const last = runs.at(-1)
  const end = last === undefined ? 0 : last.offset + last.length
  const answer = new Uint8Array(Math.max(0, Math.min(length, end - from)))
  let stored = 0
  for (const run of runs) {
    const start = Math.max(from, run.offset)
    const stop = Math.min(from + answer.length, run.offset + run.length)
    if (start < stop) answer.set(bytes.subarray(stored + start - run.offset, stored + stop - run.offset), start - from)
    stored += run.length
  }
  return answer
}
