import { ConnectorError } from '../../connectors/errors.ts'
import type { ApiConfig } from '../../connectors/velociraptor/api-config.ts'
import { openVelociraptor } from '../../connectors/velociraptor/grpc.ts'
import { askRows, lookUpDefinitions, orgs, serverMonitoring } from '../../connectors/velociraptor/lookups.ts'
import { seenClientsQuery } from '../../connectors/velociraptor/history-query.ts'
import type { Velociraptor } from '../../connectors/velociraptor/velociraptor.ts'
import type { Configuration } from '../config/configuration.ts'
import { inAppChannel } from '../monitors/in-app-channel.ts'
import { everyOrg } from '../sources/known-orgs.ts'
import { loadOf } from '../sources/history-reading.ts'
import { flowCompletions, type QueueSource } from '../sources/queue-source.ts'
import { monitorsOf, sourcesOf } from '../monitors/monitors-of.ts'
import { keptWhere, locatedSources } from '../sources/kept-where.ts'
import { isLogs } from '../sources/readers.ts'
import { checkLogs } from './check-logs.ts'
import type { Findings } from './finding.ts'

const about = 'velociraptor'
const day = 86_400_000
const hour = 3_600_000
/** Below this, completions of clients are stored elsewhere and `user_message()` does not exist. */
const usualVersion = '0.76.4'

/** Everything that the service will ask of the server, tried once. */
export const checkVelociraptor = async (
  configuration: Configuration,
  apiConfig: ApiConfig,
  findings: Findings,
): Promise<void> => {
  checkFile(apiConfig, findings)
  const velociraptor = openVelociraptor({ config: apiConfig })
  try {
    if (!(await checkServer(velociraptor, apiConfig, configuration, findings))) return
    const visible = await checkOrgs(velociraptor, configuration, findings)
    for (const org of wantedOrgs(configuration, visible)) await checkOrg(velociraptor, org, configuration, findings)
  } finally {
    await velociraptor.close()
  }
}

const checkFile = ({ principal, expiresAt, warnings }: ApiConfig, findings: Findings): void => {
  const daysLeft = Math.floor((expiresAt - Date.now()) / day)
  findings.add(
    daysLeft <= 30 ? 'warning' : 'ok',
    about,
    `certificate of user ${principal} lasts ${daysLeft} more day(s)`,
  )
  for (const warning of warnings)
    if (warning.kind === 'readable by others')
      findings.add(
        'warning',
        about,
        `${warning.file} holds a private key and others may read it (mode ${warning.mode}): chmod 600 ${warning.file}`,
      )
}

const reasonOf = (cause: unknown): string => {
  if (!(cause instanceof ConnectorError)) throw cause
  return cause.message
}

/** Says what went wrong, or what came of it; whether it went well. */
const attempt = async (findings: Findings, what: () => Promise<string>): Promise<boolean> => {
  try {
    findings.add('ok', about, await what())
    return true
  } catch (cause) {
    findings.add('failure', about, reasonOf(cause))
    return false
  }
}

/** An organisation in which the service will query too: its user need not have rights in others. */
const askedIn = (wanted: readonly string[]): string =>
  wanted.includes(everyOrg) || wanted.includes('root') ? 'root' : (wanted[0] ?? 'root')

const checkServer = async (
  velociraptor: Velociraptor,
  { address }: ApiConfig,
  { monitors, velociraptor: { orgs: wanted } }: Configuration,
  findings: Findings,
): Promise<boolean> => {
  let version: unknown
  const isThere = await attempt(findings, async () => {
    const [row] = await askRows(velociraptor, {
      org: askedIn(wanted),
      vql: "SELECT whoami() AS User, config.server_version.version AS Version, version(function='user_message') AS Messages FROM scope()",
    })
    version = row?.['Version']
    if (row?.['Messages'] === null)
      findings.add(
        monitors.some(({ channel }) => channel === inAppChannel) ? 'failure' : 'warning',
        about,
        `the server is older than ${usualVersion}: in-app messages are not available`,
      )
    return `${address} answers: version ${String(version)}, user ${String(row?.['User'])}`
  })
  if (!isThere)
    findings.add(
      'warning',
      about,
      'remember: the API listens on 127.0.0.1:8001 only (API.bind_address); a user made on a running server is unknown until it restarts; rights are read again within 300 s',
    )
  return isThere
}

const wantedOrgs = (
  { velociraptor: { orgs: wanted } }: Configuration,
  visible: readonly string[],
): readonly string[] => [...new Set(wanted.flatMap((org) => (org === everyOrg ? visible : [org])))]

const checkOrgs = async (
  velociraptor: Velociraptor,
  { velociraptor: { orgs: wanted } }: Configuration,
  findings: Findings,
): Promise<readonly string[]> => {
  let visible: readonly string[] = []
  await attempt(findings, async () => {
    visible = (await orgs(velociraptor, askedIn(wanted))).map(({ id }) => id)
    const unread = wanted.includes(everyOrg) ? [] : visible.filter((id) => !wanted.includes(id))
    if (unread.length > 0)
      findings.add(
        'warning',
        about,
        `organisation(s) ${unread.join(', ')} are not listened to: name them in velociraptor.orgs, or '*' for all`,
      )
    return `${visible.length} organisation(s) visible`
  })
  return visible
}

/** What reading costs the server while all is well. */
const loadText = (sources: readonly QueueSource[], clients: number): string => {
  const { reread, byClient, sweeps } = loadOf(sources, clients)
  const histories = byClient === 0 ? '' : ` that look at ${byClient} histories of ${clients} client(s) seen lately`
  const flows = sweeps === 0 ? '' : `, and ${sweeps} that looks through the flows of these clients`
  return `${sources.length} queue(s) are watched; each hour about ${reread} quer(ies) read again${histories}${flows}; never more than two at a time`
}

/** The queues as the server has them; warns of what cannot be read back, and of what is not there. */
const checkQueues = async (
  velociraptor: Velociraptor,
  org: string,
  sources: readonly QueueSource[],
  findings: Findings,
): Promise<readonly QueueSource[]> => {
  const queues = sources.map(({ queue }) => queue)
  const kept = await keptWhere(velociraptor, org, queues)
  const located = locatedSources(sources, kept)
  const warn = (text: string): void => findings.add('warning', about, `organisation ${org}: ${text}`)
  for (const { queue, isLiveOnly } of located) {
    if (isLiveOnly)
      warn(
        `queue ${queue} is live only: the server keeps none of its rows, so what comes while the relay is away is lost`,
      )
    if (!kept.has(queue)) warn(`the server has no event queue ${queue} now; the relay looks for it again each minute`)
  }
  return located
}

const checkOrg = async (
  velociraptor: Velociraptor,
  org: string,
  configuration: Configuration,
  findings: Findings,
): Promise<void> => {
  const { queue } = flowCompletions
  await attempt(findings, async () => {
    const definition = (await lookUpDefinitions(velociraptor, org, [queue])).get(queue)
    if (definition === null || definition === undefined)
      throw new ConnectorError(
        'VELOCIRAPTOR_DENIED',
        `organisation ${org} has no queue ${queue}: is this a Velociraptor server of 0.74 or later?`,
      )
    // Without READ_RESULTS this fails as the service's own reading would.
    await askRows(velociraptor, { org, vql: 'SELECT client_id FROM clients() LIMIT 1' })
    await askRows(velociraptor, {
      org,
      timeoutS: 10,
      vql: "SELECT * FROM monitoring(client_id='server', artifact=QueueName, start_time=FromMs) LIMIT 1",
      env: { QueueName: queue, FromMs: String(Date.now()) },
    })
    return `organisation ${org}: queue ${queue} and its history can be read`
  })
  const all = sourcesOf(monitorsOf(configuration))
  for (const logs of all.filter(isLogs))
    await attempt(findings, async () => {
      const { text, warnings } = await checkLogs(velociraptor, org, logs)
      for (const warning of warnings) findings.add('warning', about, `organisation ${org}: ${warning}`)
      return `organisation ${org}: ${text}`
    })
  await attempt(findings, async () => {
    const queues = all.filter((source) => !isLogs(source))
    const sources = await checkQueues(velociraptor, org, queues, findings)
    const seen = await askRows(velociraptor, { org, ...seenClientsQuery({ fromMs: Date.now() - hour }) })
    return `organisation ${org}: ${loadText(sources, seen.length)}`
  })
  await attempt(findings, async () => {
    // An artifact whose queue is read has to run.
    const told = new Set<string>(configuration.monitors.flatMap((one) => ('queue' in one ? [] : [one.artifact])))
    const table = await serverMonitoring(velociraptor, org)
    const running = Array.isArray(table?.['artifacts']) ? table['artifacts'].map(String) : []
    const twice = running.filter((name) => told.has(name.replace(/^Custom\./, '')))
    for (const name of twice)
      findings.add(
        'warning',
        about,
        `organisation ${org}: the server runs ${name} itself, so everything is told twice: remove it under Server Events, or with SELECT rm_server_monitoring(artifact='${name}') FROM scope()`,
      )
    return `organisation ${org}: ${running.length} server event artifact(s) run, ${twice.length} of them tell what the relay tells`
  })
}
