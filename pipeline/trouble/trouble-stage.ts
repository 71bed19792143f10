import { randomUUID } from 'node:crypto'
import type { Observable } from 'rxjs'
import { ConnectorError } from '../../connectors/errors.ts'
import type { EventLog, NewRecord, Task, Turn } from '../../connectors/log/event-log.ts'
import type { MessageSink } from '../../connectors/message/message.ts'
import { encode } from '../../schemas/codec.ts'
import type { Tell } from '../../schemas/happenings.ts'
import type { Clock, EpochMs } from '../../schemas/time.ts'
import { heartbeatName, ownArtifact, troubleOverPrefix, troublePrefix } from '../../schemas/own-alerts.ts'
import { topics } from '../../schemas/topics.ts'
import { prefixRange } from '../runtime/marks.ts'
import { runTopology, type TurnResult } from '../runtime/run-topology.ts'
import { openTurnState, type TurnState } from '../runtime/turn-state.ts'
import type { Counts } from './counts.ts'
import { mailPrefix, openTroubles, type Trouble, type Troubles } from './troubles.ts'

export interface TroubleOptions {
  readonly log: EventLog
  readonly clock: Clock
  readonly tell: Tell
  /** What must last so long before it is told, and be over for so long before its end is, ms. */
  readonly afterMs: number
  /** Users of Velociraptor who are told in its GUI when mail is the trouble. */
  readonly users: readonly string[]
  readonly messages: MessageSink
  /** Looks for trouble that nobody says; null: nothing is looked for. */
  readonly look: (() => Promise<readonly Trouble[]>) | null
  /** When the sign of life after one given at a time is due; null: none. */
  readonly heartbeatAfter: ((last: EpochMs) => EpochMs) | null
  readonly counts: Counts
}

const lookEveryMs = 60_000
const againMs = 60_000
const longestSettlingMs = 5000
const openKey = (key: string): string => `open/${key}`
const heartbeatKey = 'heartbeat'

export interface TroubleStage {
  readonly running: Observable<never>
  /** Takes a happening into account. */
  readonly note: Tell
  /** Resolves once what was noted so far has been told, as far as this process tells it; after 5 s at the latest. */
  settled(): Promise<void>
}

/**
 * Watches for what keeps the relay from its work, and tells its begin and its end once each, as alerts in the log. What was told outlives the
 * process. One task for all processes: on Kafka it knows what its own process sees.
 */
export const openTroubleStage = (options: TroubleOptions): TroubleStage => {
  const troubles = openTroubles(options.clock.now())
  const tasks = new Set<Task>()
  const waiting = new Set<() => void>()
  const { clock } = options
  return {
    settled() {
      if (tasks.size === 0) return Promise.resolve()
      const { promise, resolve } = Promise.withResolvers<void>()
      const cancel = clock.at(clock.now() + longestSettlingMs, resolve)
      waiting.add(resolve)
      for (const task of tasks) task.wake(clock.now())
      return promise.finally(() => {
        cancel()
        waiting.delete(resolve)
      })
    },
    note(happening) {
      const now = options.clock.now()
      if (troubles.note(happening, now)) for (const task of tasks) task.wake(now)
    },
    running: runTopology(options.log, { name: 'trouble', inputs: [], slots: 1 }, (task) => {
      tasks.add(task)
      task.lost.addEventListener('abort', () => tasks.delete(task), { once: true })
      // What an earlier process told may be over.
      task.wake(options.clock.now())
      return {
        async turn(turn) {
          const awaited = [...waiting]
          const result = await troubleTurn(task, turn, troubles, options)
          return { ...result, afterwards: () => awaited.forEach((call) => call()) }
        },
      }
    }),
  }
}

const troubleTurn = async (
  task: Task,
  turn: Turn,
  troubles: Troubles,
  options: TroubleOptions,
): Promise<TurnResult> => {
  const { afterMs, look } = options
  const state = openTurnState(task.state)
  if (look !== null) {
    troubles.found(await look(), turn.now)
    task.wake(turn.now + lookEveryMs)
  }
  const append: NewRecord[] = []
  for (const trouble of troubles.now.values()) {
    if (state.get('Mark', openKey(trouble.key)) !== undefined) continue
    const toldAt = trouble.since + (trouble.isLast === true ? 0 : afterMs)
    if (turn.now < toldAt) task.wake(toldAt)
    else append.push(...(await tellBegin(trouble, task, turn.now, state, options)))
  }
  for (const key of [...state.keys(...prefixRange(openKey('')))].map((each) => each.slice(openKey('').length))) {
    if (troubles.now.has(key)) continue
    const endsAt = troubles.clearSince(key) + afterMs
    if (turn.now < endsAt) {
      if (Number.isFinite(endsAt)) task.wake(endsAt)
    } else append.push(...(await tellEnd(key, task, turn.now, state, options)))
  }
  append.push(...heartbeat(task, turn.now, state, options))
  return { append, put: state.puts() }
}

const tellBegin = async (
  trouble: Trouble & { readonly since: EpochMs },
  task: Task,
  now: EpochMs,
  state: TurnState,
  options: TroubleOptions,
): Promise<readonly NewRecord[]> => {
  const { key, title, reason, since } = trouble
  const told = { title, reason, since: new Date(since).toISOString(), severity: 'high' }
  if (trouble.isOfMail && !(await message(`${troublePrefix}${title}`, told, options))) {
    task.wake(now + againMs)
    return []
  }
  state.put('Mark', openKey(key), { event: title, at: since })
  return [alert(`${troublePrefix}${title}`, told, now)]
}

const tellEnd = async (
  key: string,
  task: Task,
  now: EpochMs,
  state: TurnState,
  options: TroubleOptions,
): Promise<readonly NewRecord[]> => {
  const mark = state.get('Mark', openKey(key))
  if (mark === undefined) return []
  const name = `${troubleOverPrefix}${mark.event}`
  const told = { title: mark.event, since: new Date(mark.at).toISOString(), severity: 'info' }
  if (key.startsWith(mailPrefix) && !(await message(name, told, options))) {
    task.wake(now + againMs)
    return []
  }
  state.delete(openKey(key))
  return [alert(name, told, now)]
}

/** Says whether it is done with: told, or never to be told. */
const message = async (
  name: string,
  told: Readonly<Record<string, unknown>>,
  { users, messages, tell }: TroubleOptions,
): Promise<boolean> => {
  try {
    for (const user of users) await messages.send(user, { Message: name, ArtifactName: ownArtifact, Alert: told })
    return true
  } catch (cause) {
    if (!(cause instanceof ConnectorError)) throw cause
    tell({ name: 'trouble message not sent', reason: cause.message })
    return cause.code !== 'VELOCIRAPTOR_UNAVAILABLE'
  }
}

const heartbeat = (
  task: Task,
  now: EpochMs,
  state: TurnState,
  { heartbeatAfter, counts }: TroubleOptions,
): readonly NewRecord[] => {
  if (heartbeatAfter === null) return []
  const last = state.get('Mark', heartbeatKey)
  if (last === undefined) state.put('Mark', heartbeatKey, { event: '', at: now })
  const dueAt = heartbeatAfter(last?.at ?? now)
  if (now < dueAt || last === undefined) {
    task.wake(dueAt)
    return []
  }
  state.put('Mark', heartbeatKey, { event: '', at: now })
  task.wake(heartbeatAfter(now))
  return [alert(heartbeatName, { severity: 'info', ...counts.take(now) }, now)]
}

/** An alert as the server itself would have raised it: it goes the way of all others. */
const alert = (name: string, event_data: object, now: EpochMs): NewRecord => {
  const row = {
    timestamp: new Date(now).toISOString(),
    client_id: 'server',
    name,
    artifact: ownArtifact,
    artifact_type: '',
    event_data,
  }
  return {
    topic: topics.rawAlerts.name,
    key: `root/${name}`,
    value: encode('RawEvent', {
      org: 'root',
      queue: 'Server.Internal.Alerts',
      id: `root/relay/${randomUUID()}`,
      received_at: now,
      read_at: now,
      origin: 'live',
      row: JSON.stringify(row),
    }),
  }
}
