import { known, type ImportedMonitor, importMonitor } from './import-monitor.ts'
import type { TableEntry } from './event-table.ts'
import { defaultSecret } from '../monitors/mail-parameters.ts'

/** A mail channel to be filled in, in the place of a secret of the server. */
export interface ImportedChannel {
  readonly name: string
  /** The secret's name on the server. */
  readonly secret: string
  /** The environment variable that holds the password. */
  readonly variable: string
  /** From of its letters, where a monitor names one. */
  readonly from: string | null
}

/** Why an artifact of the table became no monitor. */
export interface LeftArtifact {
  readonly artifact: string
  /** alike: its parameters are those of known ones. other: no matter of the relay. */
  readonly kind: 'alike' | 'other'
  /** The known artifacts that it is like. */
  readonly like: readonly string[]
}

/** What a table of server events becomes. */
export interface ImportPlan {
  readonly monitors: readonly ImportedMonitor[]
  readonly channels: readonly ImportedChannel[]
  readonly left: readonly LeftArtifact[]
}

const withoutCustom = (artifact: string): string => artifact.replace(/^Custom\./, '')
/** Set parameters from which on a renamed artifact is recognised. */
const fewestAlike = 2

/** The known artifacts that have all the parameters of an entry. */
const likeOf = ({ parameters }: TableEntry): readonly string[] => {
  const names = [...parameters.keys()]
  if (names.length < fewestAlike) return []
  return [...known.values()]
    .filter((artifact) => names.every((name) => Object.hasOwn(artifact.parameters, name)))
    .map(({ artifact }) => artifact)
}

const leftOf = (entry: TableEntry): LeftArtifact => {
  const like = likeOf(entry)
  return { artifact: entry.artifact, kind: like.length === 0 ? 'other' : 'alike', like }
}

const channelName = (secret: string): string =>
  secret
    .replaceAll(/[^\w.-]+/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '')
    .slice(0, 80) || 'mail'

const baseVariable = 'RELAY_MAIL_PASSWORD'
const variableOf = (name: string): string => `${baseVariable}_${name.toUpperCase().replaceAll(/\W|\./g, '_')}`

const textOf = (monitor: ImportedMonitor, parameter: string): string | null => {
  const value = monitor.parameters.find(({ name }) => name === parameter)?.value
  return typeof value === 'string' && value.trim() !== '' ? value : null
}

/** The secret that a monitor sends mail by; null: it sends none. */
const secretOf = (monitor: ImportedMonitor): string | null => {
  const parameter = known.get(monitor.artifact)?.secret ?? null
  return parameter === null ? null : (textOf(monitor, parameter) ?? defaultSecret)
}

const channelsOf = (monitors: readonly ImportedMonitor[]): readonly ImportedChannel[] => {
  const secrets = [...new Set(monitors.map(secretOf).filter((secret) => secret !== null))]
  const channels: ImportedChannel[] = []
  for (const secret of secrets.length === 0 ? [defaultSecret] : secrets) {
    const plain = channelName(secret)
    let name = plain
    for (let count = 2; channels.some((one) => one.name === name); count += 1) name = `${plain}-${count}`
    const users = monitors.filter((monitor) => secretOf(monitor) === secret)
    channels.push({
      name,
      secret,
      variable: secrets.length < 2 ? baseVariable : variableOf(name),
      from: users.map((monitor) => textOf(monitor, 'Sender')).find((from) => from !== null) ?? null,
    })
  }
  return channels
}

/** A secret's name that is no name of a channel is written as its channel's. */
const onChannel = (monitor: ImportedMonitor, channels: readonly ImportedChannel[]): ImportedMonitor => {
  const secret = secretOf(monitor)
  const channel = channels.find((one) => one.secret === secret)
  const parameter = known.get(monitor.artifact)?.secret ?? null
  if (channel === undefined || channel.name === secret || parameter === null) return monitor
  return {
    ...monitor,
    parameters: monitor.parameters.map((one) =>
      one.name === parameter
        ? { ...one, value: channel.name, remarks: [...one.remarks, 'is the channel for a secret of another spelling.'] }
        : one,
    ),
  }
}

/**
 * Plans the monitors for the entries of a table. `as` says which known artifact an artifact of another name is a copy of; copies
 * under `Custom.` are known by themselves.
 */
export const planImport = (entries: readonly TableEntry[], as: ReadonlyMap<string, string>): ImportPlan => {
  const monitors: ImportedMonitor[] = []
  const left: LeftArtifact[] = []
  for (const entry of entries) {
    const artifact = known.get(as.get(entry.artifact) ?? withoutCustom(entry.artifact))
    const used = new Set(monitors.map(({ name }) => name))
    if (artifact === undefined) left.push(leftOf(entry))
    else monitors.push(importMonitor(entry, artifact, used))
  }
  const channels = channelsOf(monitors)
  return { monitors: monitors.map((monitor) => onChannel(monitor, channels)), channels, left }
}
