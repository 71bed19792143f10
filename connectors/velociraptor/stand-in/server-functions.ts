import { textOf, type Plain } from './defaults.ts'
import { results, unknownClient, type Ground } from './ground.ts'
import { splitKey, splitQueue, type StandInOrg } from './organisation.ts'
import { argumentText, argumentValue } from './vql/functions.ts'
import type { Arguments, VqlFunction } from './vql/session.ts'
import { fromPlain, type Value } from './vql/values.ts'

/** What a query may call, by the kind and the name that `version` asks for. */
export type Knows = (kind: 'plugin' | 'function', name: string) => boolean

/** The functions that look at, or change, the server. */
export const serverFunctions = (ground: Ground, knows: Knows): Readonly<Record<string, VqlFunction>> => {
  const { world, org, principal, blind } = ground
  const monitoring = (table: () => unknown): VqlFunction => ({ ...results, call: () => fromPlain(table()) })
  return {
    client_info: {
      ...results,
      required: ['client_id'],
      call: (args, { session }) => {
        const id = argumentText(args, 'client_id')
        const client = blind ? undefined : org.clients.get(id)
        if (client !== undefined) return fromPlain(client)
        session.log(`client_info: ${unknownClient(id)}`)
        return null
      },
    },
    client_metadata: {
      required: ['client_id'],
      needs: (args: Arguments) => (args.get('client_id') === 'server' ? 'SERVER_ADMIN' : 'READ_RESULTS'),
      says: '',
      call: (args) => (blind ? new Map() : fromPlain(org.metadata.get(argumentText(args, 'client_id')) ?? {})),
    },
    hunt_info: {
      ...results,
      required: ['hunt_id'],
      call: (args) => {
        const id = argumentText(args, 'hunt_id').replace(/^F\.(.+)\.H$/, 'H.$1')
        return blind ? null : fromPlain(org.hunts.get(id))
      },
    },
    whoami: { call: () => principal },
    org: {
      optional: ['org_id'],
      call: () =>
        new Map<string, Value>([
          ['name', org.name],
          ['id', org.id],
        ]),
    },
    version: {
      optional: ['plugin', 'function'],
      call: (args) => {
        const kind = args.has('plugin') ? 'plugin' : 'function'
        const known = knows(kind, argumentText(args, kind))
        return known ? (argumentText(args, 'function') === 'user_message' ? 1 : 0) : null
      },
    },
    get_server_monitoring: monitoring(() => org.serverMonitoring ?? tableOf(org, 'server_event')),
    get_client_monitoring: monitoring(
      () => org.clientMonitoring ?? { version: 1, artifacts: tableOf(org, 'client_event') },
    ),
    user_message: {
      required: ['user', 'message'],
      call: (args, { session }) => {
        const to = argumentText(args, 'user')
        if (!world.knowsUser(to)) {
          session.log(`user_message: NotFoundError: ${to}`)
          return null
        }
        world.send({ at: session.clock.now(), from: principal, to, message: argumentValue(args, 'message') })
        return argumentValue(args, 'message')
      },
    },
    send_event: {
      required: ['artifact', 'row'],
      optional: ['client_id'],
      call: (_, { session }) => {
        session.log('send_event: Permission denied: PUBLISH')
        return null
      },
    },
  }
}

/** Every artifact of the type that is defined or has logged: what a table says that nobody wrote. */
const tableOf = (org: StandInOrg, type: string): Plain => {
  const logged = [...org.logs.keys()]
    .map(splitKey)
    .filter(([client]) => (client === 'server') === (type === 'server_event'))
    .map(([, queue]) => splitQueue(queue)[0])
  const defined = [...org.artifacts.values()]
    .filter((row) => row['type'] === type && row['built_in'] !== true)
    .map((row) => textOf(row['name']))
  return { artifacts: [...new Set([...defined, ...logged])] }
}
