import type { WorldDescription } from '../../connectors/velociraptor/stand-in/world-description.ts'
import type { EpochMs } from '../../schemas/time.ts'
import type { Position } from '../config/yaml-source.ts'
import type { ReadConfiguration } from '../config/read-configuration.ts'
import type { Expectations } from './expectations.ts'

/** What a scenario may let go wrong. */
export const faultNames = ['smtp-down', 'smtp-reply', 'lookup-empty', 'lookup-slow', 'grpc-cut', 'relay-down'] as const
export type FaultName = (typeof faultNames)[number]

interface Timed {
  readonly at: EpochMs
}

/** An event arrives in a queue. */
export interface EventEntry extends Timed {
  readonly kind: 'event'
  readonly org: string
  readonly queue: string
  /** A string is JSON text, taken verbatim. */
  readonly row: Readonly<Record<string, unknown>> | string
  /** How expectations may name the event; null: not at all. */
  readonly id: string | null
}

/** The server stores a line of a log. */
export interface LogEntry extends Timed {
  readonly kind: 'log'
  readonly org: string
  /** `server`, or a client id. */
  readonly client: string
  /** `Artifact`, or `Artifact/Source`. */
  readonly artifact: string
  readonly level: string
  readonly message: string
  /** The client's clock, in s or as a moment's text; undefined: when it is stored. */
  readonly clientTime: unknown
}

/** The world changes. */
export interface SetEntry extends Timed {
  readonly kind: 'set'
  readonly change: WorldDescription
}

/** Something goes wrong, until a moment, for so many tries, or (neither) for good. */
export interface FaultEntry extends Timed {
  readonly kind: 'fault'
  readonly fault: FaultName
  readonly until: EpochMs | null
  readonly times: number | null
  /** smtp-reply: only mail to this address; null: all. */
  readonly to: string | null
  /** smtp-reply: the SMTP code; 0 for the others. */
  readonly code: number
}

/** Somebody has dead letters sent again, or dropped: all, or those to one address. */
export interface DeadEntry extends Timed {
  readonly kind: 'dead'
  readonly deed: 'redrive' | 'drop'
  /** null: all. */
  readonly to: string | null
  /** How many ask for it at once. */
  readonly times: number
}

export type TimelineEntry = EventEntry | LogEntry | SetEntry | FaultEntry | DeadEntry

/** One document of a scenario file, checked. */
export interface Scenario extends Position {
  readonly name: string
  readonly file: string
  /** T. */
  readonly now: EpochMs
  readonly world: WorldDescription
  /** May hold problems: a scenario can be about them. */
  readonly configuration: ReadConfiguration
  /** In order of time, then of writing. */
  readonly timeline: readonly TimelineEntry[]
  /** The clock stops here; null: when nothing but polls waits. */
  readonly until: EpochMs | null
  readonly expect: Expectations
}
