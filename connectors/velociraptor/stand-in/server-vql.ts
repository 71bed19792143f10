import { huntSummary, listOf, plainOf, textOf, type Plain } from './defaults.ts'
import { flowKey, knowsArtifact, resultsKey, splitKey, splitQueue, typeOf, type StandInOrg } from './organisation.ts'
import { argumentItems, argumentText, argumentValue, plainFunctions } from './vql/functions.ts'
import { plainPlugins } from './vql/plugins.ts'
import { lookUp } from './vql/scope.ts'
import type { Arguments, CallContext, Plugin, Signature, VqlFunction } from './vql/session.ts'
import { sendRows, type Sink } from './vql/sinks.ts'
import { fromPlain, isTrue, nanoseconds, rowFrom, type Row, type Value } from './vql/values.ts'
import type { WorldInside } from './world.ts'

/** Whose query it is, and what it may see. */
export interface Ground {
  readonly world: WorldInside
  readonly org: StandInOrg
  readonly principal: string
  /** A fault: lookups find nothing. */
  readonly blind: boolean
}

const results = { needs: 'READ_RESULTS' } as const

const rowsOf = (plains: Iterable<unknown>): readonly Row[] => [...plains].map((one) => rowFrom(plainOf(one)))

/** The functions of a query in this organisation, by name. */
export const functionsOn = (ground: Ground): ReadonlyMap<string, VqlFunction> =>
  new Map(
    Object.entries({ ...plainFunctions, ...forbiddenFunctions, ...serverFunctions(ground) }).filter(
      ([name]) => !(name === 'user_message' && ground.world.keepsUnderServer),
    ),
  )

/** The plugins of a query in this organisation, by name. */
export const pluginsOn = (ground: Ground): ReadonlyMap<string, Plugin> =>
  new Map(Object.entries({ ...plainPlugins, ...forbiddenPlugins, ...serverPlugins(ground) }))

/** What a query can read by name without asking: the server's configuration. */
export const configValue = ({ world }: Ground): Value =>
  fromPlain({ server_version: { version: world.version, commit: '', build_time: '' } })

const unknownClient = (id: string): string => `Client ID ${id} not known in this org: NotFoundError`

const serverFunctions = (ground: Ground): Readonly<Record<string, VqlFunction>> => {
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
        const known = args.has('plugin')
          ? pluginsOn(ground).has(argumentText(args, 'plugin'))
          : functionsOn(ground).has(argumentText(args, 'function'))
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

const denied = (needs: string, required: readonly string[] = [], optional: readonly string[] = []): Signature => ({
  needs,
  required,
  optional,
})

/** What role `api` may not do; nobody else may here either. */
const forbiddenFunctions: Readonly<Record<string, VqlFunction>> = {
  create_flow_download: { ...denied('PREPARE_RESULTS'), free: true, call: () => null },
  get_flow: { ...denied('COLLECT_CLIENT', ['client_id', 'flow_id']), call: () => null },
  collect_client: { ...denied('COLLECT_CLIENT'), free: true, call: () => null },
}

const forbidden = (needs: string): Plugin => ({ needs, free: true, run: (_, out) => out.done() })

const forbiddenPlugins: Readonly<Record<string, Plugin>> = {
  info: forbidden('MACHINE_STATE'),
  profile: forbidden('MACHINE_STATE'),
  secrets: forbidden('SERVER_ADMIN'),
  logging: forbidden('SERVER_ADMIN'),
}

type Rows = (args: Arguments, call: CallContext) => readonly Row[]

const serverPlugins = (ground: Ground): Readonly<Record<string, Plugin>> => {
  const { world, org, principal, blind } = ground
  const plugin = (signature: Signature, rows: Rows): Plugin => ({
    ...signature,
    run: (args, out, call) => sendRows(rows(args, call), out),
  })
  const lookup = (signature: Signature, rows: Rows): Plugin =>
    plugin({ ...results, ...signature }, (args, call) => (blind ? [] : rows(args, call)))
  const history: Rows = (args, { session }) => {
    const artifact = queueOf(args)
    // A source that the artifact has not got is no error here, only an empty history.
    if (!org.artifacts.has(splitQueue(artifact)[0])) {
      session.log(`monitoring: Artifact ${artifact} not known`)
      return []
    }
    const stored =
      typeOf(org, artifact) === 'internal'
        ? []
        : world.stored(org, artifact, argumentText(args, 'client_id'), session.clock.now())
    return between(stored, args)
  }
  return {
    watch_monitoring: {
      ...results,
      required: ['artifact'],
      run: (args, out, call) => watch(ground, argumentText(args, 'artifact'), out, call),
    },
    monitoring: plugin(
      { ...results, required: ['client_id', 'artifact'], optional: ['source', 'start_time', 'end_time', 'start_row'] },
      history,
    ),
    monitoring_logs: plugin(
      { ...results, required: ['client_id', 'artifact'], optional: ['source', 'start_time', 'end_time'] },
      (args, { session }) =>
        between(world.logged(org, argumentText(args, 'client_id'), queueOf(args), session.clock.now()), args),
    ),
    source: plugin(
      {
        ...results,
        optional: [
          'client_id',
          'flow_id',
          'artifact',
          'source',
          'start_time',
          'end_time',
          'mode',
          'hunt_id',
          'start_row',
          'count',
        ],
      },
      (args, call) => (args.has('flow_id') ? flowResults(ground, args, call) : history(args, call)),
    ),
    flow_results: plugin({ ...results, optional: ['client_id', 'flow_id', 'artifact', 'source'] }, (args, call) =>
      flowResults(ground, args, call),
    ),
    flows: lookup({ required: ['client_id'], optional: ['flow_id', 'summary'] }, (args, { session }) => {
      const client = argumentText(args, 'client_id')
      // A world may hold a flow and leave out its client: a client that was deleted meanwhile.
      if (!org.clients.has(client) && flowsOf(org, client).length === 0) {
        session.log(`flows: unable to get client ${client}: ${unknownClient(client)}`)
        return []
      }
      const ids = args.has('flow_id') ? [argumentText(args, 'flow_id')] : flowsOf(org, client)
      const found = ids.map((id) => world.flow(org, client, id)).filter((flow) => flow !== undefined)
      return rowsOf(
        isTrue(args.get('summary') ?? null) ? found.map((flow) => ({ ...flow, AvailableDownloads: null })) : found,
      )
    }),
    uploads: lookup({ optional: ['client_id', 'flow_id', 'hunt_id', 'notebook_id'] }, (args, call) =>
      uploads(ground, args, call),
    ),
    clients: lookup({ optional: ['search', 'client_id', 'count', 'start'] }, (args) =>
      rowsOf([...org.clients.values()].filter((client) => wantedClient(client, args))),
    ),
    hunts: lookup({ optional: ['hunt_id', 'offset', 'count', 'summary', 'tags'] }, (args) =>
      args.has('hunt_id')
        ? rowsOf([org.hunts.get(argumentText(args, 'hunt_id'))].filter((hunt) => hunt !== undefined))
        : rowsOf([...org.hunts.values()].map(huntSummary)),
    ),
    hunt_flows: lookup({ required: ['hunt_id'], optional: ['start_row', 'limit', 'basic_info'] }, (args) =>
      huntFlows(ground, argumentText(args, 'hunt_id')),
    ),
    artifact_definitions: lookup({ optional: ['names', 'deps', 'sanitize'] }, (args, call) =>
      definitions(org, args, call),
    ),
    orgs: plugin({}, () =>
      world.orgs
        .filter((one) => world.allows(principal, one.id, 'READ_RESULTS'))
        .map(
          (one) =>
            new Map<string, Value>([
              ['Name', one.name],
              ['OrgId', one.id],
            ]),
        ),
    ),
    gui_users: plugin({ optional: ['all_orgs'] }, () => rowsOf(world.users)),
    user_messages: plugin(
      {
        optional: ['user'],
        needs: (args) => (args.has('user') && argumentText(args, 'user') !== principal ? 'SERVER_ADMIN' : null),
      },
      (args) => messagesOf(world, args.has('user') ? argumentText(args, 'user') : principal),
    ),
  }
}

/** Gives rows as they come, until the query ends; a queue that cannot be watched is only a line in the log. */
const watch = ({ world, org }: Ground, artifact: string, out: Sink, { session }: CallContext): void => {
  if (!knowsArtifact(org, artifact)) {
    session.log(`Artifact ${artifact} not known`)
    out.done()
    return
  }
  if (!['server_event', 'client_event', 'internal'].includes(typeOf(org, artifact))) {
    session.log('watch_monitoring only supports monitoring event artifacts')
    out.done()
    return
  }
  out.stop.whenStopped(world.watch(org, artifact, (row) => out.row(row)))
}

const queueOf = (args: Arguments): string => {
  const source = argumentText(args, 'source')
  return source === '' ? argumentText(args, 'artifact') : `${argumentText(args, 'artifact')}/${source}`
}

// A time written with a decimal point is not understood, and then nothing is left out.
const between = (stored: readonly { readonly at: number; readonly row: Row }[], args: Arguments): readonly Row[] => {
  const from = nanoseconds(argumentValue(args, 'start_time')) ?? 0n
  const to = nanoseconds(argumentValue(args, 'end_time'))
  return stored
    .filter(({ at }) => BigInt(at) * 1_000_000n >= from && (to === null || BigInt(at) * 1_000_000n < to))
    .slice(Number(argumentValue(args, 'start_row') ?? 0))
    .map(({ row }) => row)
}

const flowResults = ({ org, blind }: Ground, args: Arguments, { session }: CallContext): readonly Row[] => {
  const artifact = queueOf(args)
  const rows = org.results.get(resultsKey(argumentText(args, 'client_id'), argumentText(args, 'flow_id'), artifact))
  if (rows === undefined && !org.artifacts.has(splitQueue(artifact)[0]))
    session.log(`source: Artifact ${artifact} not known`)
  return blind || rows === undefined ? [] : rowsOf(rows)
}

/** The ids of a client's flows, from the end of their order. */
const flowsOf = (org: StandInOrg, client: string): readonly string[] => {
  const prefix = flowKey(client, '')
  return [...org.flows.keys()]
    .filter((key) => key.startsWith(prefix))
    .map((key) => key.slice(prefix.length))
    .sort()
    .reverse()
}

/** Of a flow, or of every flow of a hunt; what the call does not say is said by variables. */
const uploads = (ground: Ground, args: Arguments, { scope }: CallContext): readonly Row[] => {
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

const wantedClient = (client: Plain, args: Arguments): boolean => {
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

const huntFlows = ({ world, org }: Ground, hunt: string): readonly Row[] => {
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

const definitions = (org: StandInOrg, args: Arguments, call: CallContext): readonly Row[] => {
  if (!args.has('names')) return rowsOf(org.artifacts.values())
  return argumentItems(args.get('names') ?? null, call).flatMap((given) => {
    const name = typeof given === 'string' ? given : ''
    const found = org.artifacts.get(name)
    if (found !== undefined) return [rowFrom(found)]
    call.session.log(`artifact_definitions: artifact ${name} not known`)
    return []
  })
}

const messagesOf = (world: WorldInside, user: string): readonly Row[] =>
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
