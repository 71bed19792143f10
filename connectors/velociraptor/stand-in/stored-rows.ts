import { listOf, plainOf, textOf, type Plain } from './defaults.ts'
import type { Ground } from './ground.ts'
import { flowKey, resultsKey, splitQueue, type StandInOrg } from './organisation.ts'
import { argumentItems, argumentText, argumentValue } from './vql/functions.ts'
import { lookUp } from './vql/scope.ts'
import type { Arguments, CallContext } from './vql/session.ts'
import { fromPlain, nanoseconds, rowFrom, type Row, type Value } from './vql/values.ts'
import type { WorldInside } from './world.ts'

/** As rows of a query. */
export const rowsOf = (plains: Iterable<unknown>): readonly Row[] => [...plains].map((one) => rowFrom(plainOf(one)))

/** The queue that a call names, with its source. */
export const queueOf = (args: Arguments): string => {
  const source = argumentText(args, 'source')
  return source === '' ? argumentText(args, 'artifact') : `${argumentText(args, 'artifact')}/${source}`
}

/** From `start_time` to before `end_time`: a time written with a decimal point is not understood, and then nothing is left out. */
export const between = (
  stored: readonly { readonly at: number; readonly row: Row }[],
  args: Arguments,
): readonly Row[] => {
  const from = nanoseconds(argumentValue(args, 'start_time')) ?? 0n
  const to = nanoseconds(argumentValue(args, 'end_time'))
  return stored
    .filter(({ at }) => BigInt(at) * 1_000_000n >= from && (to === null || BigInt(at) * 1_000_000n < to))
    .slice(Number(argumentValue(args, 'start_row') ?? 0))
    .map(({ row }) => row)
}

/** The rows that a flow gave. */
export const flowResults = ({ org, blind }: Ground, args: Arguments, { session }: CallContext): readonly Row[] => {
  const artifact = queueOf(args)
  const rows = org.results.get(resultsKey(argumentText(args, 'client_id'), argumentText(args, 'flow_id'), artifact))
  if (rows === undefined && !org.artifacts.has(splitQueue(artifact)[0]))
    session.log(`source: Artifact ${artifact} not known`)
  return blind || rows === undefined ? [] : rowsOf(rows)
}

/** The ids of a client's flows, from the end of their order. */
export const flowsOf = (org: StandInOrg, client: string): readonly string[] => {
  const prefix = flowKey(client, '')
  return [...org.flows.keys()]
    .filter((key) => key.startsWith(prefix))
    .map((key) => key.slice(prefix.length))
    .sort()
    .reverse()
}

/** Of a flow, or of every flow of a hunt; what the call does not say is said by variables. */
export const uploads = (ground: Ground, args: Arguments, { scope }: CallContext): readonly Row[] => {
  const said = (name: string, variable: string): string => {
    const value = args.has(name) ? argumentValue(args, name) : (lookUp(scope, variable) ?? null)
    return typeof value === 'string' ? value : ''
  }
  const ofFlow = (client: string, flow: string): readonly Row[] =>
    rowsOf(ground.org.uploads.get(flowKey(client, flow)) ?? [])
  const hunt = said('hunt_id', 'HuntId')
  if (hunt === '') return ofFlow(said('client_id', 'ClientId'), said('flow_id', 'FlowId'))
  return huntFlows(ground, hunt).flatMap((row) => {
    const [client, flow] = [textOf(row.get('ClientId')), textOf(row.get('FlowId'))]
    return ofFlow(client, flow).map((one) => new Map([...one, ['ClientId', client], ['FlowId', flow]]))
  })
}

/** Whether a client is what `client_id` or `search` asks for; the server itself never is. */
export const wantedClient = (client: Plain, args: Arguments): boolean => {
  const id = textOf(client['client_id'])
  if (id === 'server') return false
  if (args.has('client_id')) return id === argumentText(args, 'client_id')
  const search = argumentText(args, 'search').toLowerCase()
  if (search === '' || search === 'all') return true
  const [kind, wanted = search] = search.includes(':') ? search.split(':', 2) : ['', search]
  const os = plainOf(client['os_info'])
  const labels = listOf(client['labels']).map((label) => textOf(label).toLowerCase())
  if (kind === 'label') return labels.includes(wanted)
  return [id, textOf(os['hostname']), textOf(os['fqdn'])].some((name) => name.toLowerCase().startsWith(wanted))
}

/** The flows of a hunt, client by client. */
export const huntFlows = ({ world, org }: Ground, hunt: string): readonly Row[] => {
  const flow = `F.${hunt.slice(2)}.H`
  return [...org.clients.keys()].flatMap((client) => {
    const found = world.flow(org, client, flow)
    return found === undefined
      ? []
      : [
          new Map<string, Value>([
            ['HuntId', hunt],
            ['ClientId', client],
            ['FlowId', flow],
            ['Flow', fromPlain(found)],
          ]),
        ]
  })
}

/** The artifacts that `names` names; left out: all. */
export const definitions = (org: StandInOrg, args: Arguments, call: CallContext): readonly Row[] => {
  if (!args.has('names')) return rowsOf(org.artifacts.values())
  return argumentItems(args.get('names') ?? null, call).flatMap((given) => {
    const name = typeof given === 'string' ? given : ''
    const found = org.artifacts.get(name)
    if (found !== undefined) return [rowFrom(found)]
    call.session.log(`artifact_definitions: artifact ${name} not known`)
    return []
  })
}

/** What a user was told in the app. */
export const messagesOf = (world: WorldInside, user: string): readonly Row[] =>
  world.messages
    .filter(({ to }) => to === user)
    .map(
      ({ at, from, message }) =>
        new Map<string, Value>([
          ['Timestamp', `${new Date(at).toISOString().slice(0, 19)}Z`],
          ['From', from],
          ['Message', message],
        ]),
    )
