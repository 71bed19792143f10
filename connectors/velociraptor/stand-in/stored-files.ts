import type { EpochMs } from '../../../schemas/time.ts'
import { isPlain } from './defaults.ts'
import { resultsKey, splitKey, splitQueue, typeOf, type StandInOrg } from './organisation.ts'
import type { KeptFile } from './uploads.ts'
import { rowFrom, toJson, type Row } from './vql/values.ts'
import type { WorldInside } from './world.ts'

/** What lies at a place of the server's store; `below a file`: a file stands where a folder would have to be. */
export type Found = KeptFile | 'folder' | 'below a file' | 'nothing'

const dayOf = (at: EpochMs): string => new Date(at).toISOString().slice(0, 10)

/** What lies at a place of an organisation's store: uploads, the day files of queues and of logs, and the rows of flows. */
export const storedAt = (world: WorldInside, org: StandInOrg, components: readonly string[], now: EpochMs): Found => {
  const file = fileAt(world, org, components, now)
  if (file !== undefined) return file
  for (let length = components.length - 1; length > 0; length--)
    if (fileAt(world, org, components.slice(0, length), now) !== undefined) return 'below a file'
  const isAbove = (path: readonly string[]): boolean => components.every((name, n) => path[n] === name)
  return [['clients'], ...foldersOf(org)].some(isAbove) ? 'folder' : 'nothing'
}

const fileAt = (
  world: WorldInside,
  org: StandInOrg,
  components: readonly string[],
  now: EpochMs,
): KeptFile | undefined => {
  const kept = org.files.get(JSON.stringify(components))
  if (kept !== undefined) return kept
  const lines = linesAt(world, org, components, now)
  return lines.length === 0
    ? undefined
    : { components, bytes: Buffer.from(lines.map((row) => `${toJson(row)}\n`).join('')) }
}

/** The rows of a file that holds a row a line; none: there is no such file. */
const linesAt = (world: WorldInside, org: StandInOrg, components: readonly string[], now: EpochMs): readonly Row[] => {
  const [top, second = '', third, ...more] = components
  const file = /^(.*)\.json$/s.exec(components.at(-1) ?? '')?.[1]
  if (file === undefined) return []
  const isOfDay = ({ at }: { readonly at: EpochMs }): boolean => dayOf(at) === file
  const queueRows = (queue: string, client: string): readonly Row[] =>
    world
      .written(org, queue, client, now)
      .filter(isOfDay)
      .map(({ row, at, writer }) => {
        const line = new Map(row).set('_ts', Math.floor(at / 1000))
        return writer === null ? line : line.set('_Source', writer)
      })
  const logRows = (artifact: string, client: string): readonly Row[] =>
    world
      .logged(org, client, artifact, now)
      .filter(isOfDay)
      .map(({ row }) => new Map([...row].filter(([key]) => key !== '_ts')))
  const between = (from: number): string => components.slice(from, -1).join('/')
  if (top === 'server_artifacts') return isOfServer(org, between(1)) ? queueRows(between(1), 'server') : []
  if (top === 'server_artifact_logs') return logRows(between(1), 'server')
  if (top !== 'clients') return []
  if (third === 'monitoring') return isOfServer(org, between(3)) ? [] : queueRows(between(3), second)
  if (third === 'monitoring_logs') return second === 'server' ? [] : logRows(between(3), second)
  if (third !== 'artifacts') return []
  const [artifact = '', ...rest] = more
  const flow = rest.length === 1 ? file : rest[0]
  const source = rest.length === 1 ? artifact : `${artifact}/${file}`
  return rest.length > 2 ? [] : (org.results.get(resultsKey(second, flow, source)) ?? []).filter(isPlain).map(rowFrom)
}

const isOfServer = (org: StandInOrg, queue: string): boolean => typeOf(org, queue) === 'server_event'

/** Every folder that holds a file. */
const foldersOf = (org: StandInOrg): readonly (readonly string[])[] => [
  ...[...org.files.values()].map(({ components }) => components.slice(0, -1)),
  ...[...org.history.keys()]
    .map(splitKey)
    .map(([client, queue]) =>
      isOfServer(org, queue)
        ? ['server_artifacts', ...queue.split('/')]
        : ['clients', client, 'monitoring', ...queue.split('/')],
    ),
  ...[...org.logs.keys()]
    .map(splitKey)
    .map(([client, artifact]) =>
      client === 'server'
        ? ['server_artifact_logs', ...artifact.split('/')]
        : ['clients', client, 'monitoring_logs', ...artifact.split('/')],
    ),
  ...[...org.results.keys()].map(splitKey).map(([client, rest]) => {
    const [flow, name] = splitKey(rest)
    const [artifact, source] = splitQueue(name)
    return ['clients', client, 'artifacts', artifact, ...(source === undefined ? [] : [flow])]
  }),
]
