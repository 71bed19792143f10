import { huntSummary } from './defaults.ts'
import { results, unknownClient, type Ground } from './ground.ts'
import { knowsArtifact, splitQueue, typeOf } from './organisation.ts'
import {
  between,
  definitions,
  flowResults,
  flowsOf,
  huntFlows,
  messagesOf,
  queueOf,
  rowsOf,
  uploads,
  wantedClient,
} from './stored-rows.ts'
import { argumentText } from './vql/functions.ts'
import type { Arguments, CallContext, Plugin, Signature } from './vql/session.ts'
import { sendRows, type Sink } from './vql/sinks.ts'
import { isTrue, type Row, type Value } from './vql/values.ts'

type Rows = (args: Arguments, call: CallContext) => readonly Row[]

/** The plugins that look at the server. */
export const serverPlugins = (ground: Ground): Readonly<Record<string, Plugin>> => {
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
    gui_users: plugin({ optional: ['all_orgs'] }, (args) =>
      rowsOf(
        isTrue(args.get('all_orgs') ?? null) ? world.users : world.users.filter(({ org_id: id }) => id === org.id),
      ),
    ),
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
