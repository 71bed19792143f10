import { hash } from 'node:crypto'
import { Observable, type Subscriber } from 'rxjs'
import type { NewRecord, Position } from '../connectors/log/event-log.ts'
import type { BatchRule } from '../operators/batch.ts'
import { isStanding, isTold, type Judgement, judgementOf } from '../operators/judgement.ts'
import type { StateStore } from '../operators/with-state.ts'
import { encode } from '../schemas/codec.ts'
import type {
  AlertEvent,
  BatchTerms,
  Mark,
  Notice,
  Outcome,
  Recipient,
  Schemas,
  Verdict,
} from '../schemas/generated.ts'
import { topics } from '../schemas/topics.ts'
import type { EpochMs } from '../schemas/time.ts'
import type { About, EventName } from './kinds/kind.ts'
import type { Monitor, MonitorMemory } from './monitors/monitor.ts'
import type { LatestMarks } from './runtime/latest-marks.ts'
import { type Marks, marksIn, marksOf, type MarkState } from './runtime/marks.ts'
import { alertKey } from './sources/alert-row.ts'

/** What was told is remembered for one to two of these; no window is longer. */
export const toldBucketMs = 30 * 86_400_000

/** What a monitor remembers in a state, and how it forgets. */
export interface OpenMemory extends MonitorMemory {
  /** Forgets what lies before, a bounded number a call. */
  forget(before: EpochMs): void
}

/** A monitor's memory in the state of a turn, or of a replay. */
export const memoryIn = (
  state: MarkState,
  { name }: Pick<Monitor<EventName>, 'name'>,
  known: { readonly latest?: LatestMarks } = {},
): OpenMemory => {
  const told = marksOf('Mark', state, { prefix: `told/${name}`, bucketMs: toldBucketMs, ...known })
  const windows = marksIn(state, `window/${name}`, toldBucketMs)
  const lateWindows = marksIn(state, `late-window/${name}`, toldBucketMs)
  const counted = marksOf('Suppression', state, { prefix: `counted/${name}`, bucketMs: toldBucketMs })
  const lateCounted = marksOf('Suppression', state, { prefix: `late-counted/${name}`, bucketMs: toldBucketMs })
  return {
    told: storeOf(told),
    windows: windowStoreOf(windows, lateWindows),
    countedWindows: windowStoreOf(counted, lateCounted),
    forget: (before) => {
      for (const marks of [told, windows, lateWindows, counted, lateCounted]) marks.forget(before)
    },
  }
}

const storeOf = (marks: Marks): StateStore<Mark> => ({
  get: (key, now) => marks.get(key, now),
  put: (key, mark) => {
    if (mark !== undefined) marks.put(key, mark)
  },
})

/**
 * Of each key the latest window, and the latest of those that events from before it opened: what is read back after an outage
 * comes after the first live event, and is deduplicated by itself.
 */
const windowStoreOf = <M extends Pick<Mark, 'at'>>(windows: Marks<M>, lateWindows: Marks<M>): StateStore<M> => {
  const isBefore = (at: EpochMs, latest: M | undefined): boolean => latest !== undefined && at < latest.at
  return {
    get(key, now) {
      const latest = windows.get(key, now)
      return isBefore(now, latest) ? lateWindows.get(key, now) : latest
    },
    put(key, mark, now) {
      if (mark !== undefined) (isBefore(now, windows.get(key, now)) ? lateWindows : windows).put(key, mark)
    },
  }
}

/** A monitor's chain over its memory, built once: each event given comes to one judgement at once. */
export const openJudge = <N extends EventName>(
  monitor: Monitor<N>,
  memory: MonitorMemory,
): ((event: Schemas[N]) => Judgement<Schemas[N]>) => {
  let given: Subscriber<Judgement<Schemas[N]>> | undefined
  // A Subject would gather its listeners anew for each event.
  const events = new Observable<Judgement<Schemas[N]>>((subscriber) => {
    given = subscriber
  })
  const judged: Judgement<Schemas[N]>[] = []
  let failure: unknown
  events.pipe(monitor.chain(memory)).subscribe({
    next: (judgement) => judged.push(judgement),
    error: (cause: unknown) => {
      failure = cause
    },
  })
  return (event) => {
    judged.length = 0
    given?.next(judgementOf(event))
    const [judgement] = judged
    if (failure !== undefined) throw failure
    if (judgement === undefined || judged.length !== 1)
      throw new Error(`monitor ${monitor.name} gave ${judged.length} verdicts for one event`)
    return judgement
  }
}

/** What is told once bears it: the monitor, the event, the recipient; of a replay also the replay. */
export const noticeId = (monitor: string, event: string, address: string, replay = ''): string =>
  hash(
    'sha256',
    JSON.stringify([monitor, event, address.toLowerCase(), ...(replay === '' ? [] : [replay])]),
    'base64url',
  ).slice(0, 22)

export interface JudgedTerms {
  readonly at: Position
  readonly configuration: string
  readonly now: EpochMs
  /** Left out: told as it came. */
  readonly replay?: string
}

/** A notice of no kind yet. */
const untold = { flow: null, flow_letter: null, alert: null, alert_letter: null }

/** A notice for each recipient of a judgement. `whole`: the event as notices hold it; left out: the judged one. */
export const noticesOf = <N extends EventName>(
  monitor: Monitor<N>,
  { event, recipients }: Pick<Judgement<Schemas[N]>, 'event' | 'recipients'>,
  { at: { topic, partition, offset }, configuration, now, replay = '' }: JudgedTerms,
  whole: () => Schemas[N] = () => event,
): readonly Notice[] => {
  if (recipients.length === 0 || monitor.noticeOf === undefined) return []
  const common = {
    monitor: monitor.name,
    artifact: monitor.artifact,
    channel: monitor.channel,
    sender: monitor.sender,
    noticed_at: now,
    event_at: { topic, partition, offset },
    configuration,
    replay,
    batch: batchTerms(monitor.batch),
    ...untold,
    ...monitor.noticeOf(event, whole()),
  }
  return recipients.map((recipient: Recipient) => ({
    ...common,
    id: noticeId(monitor.name, event.id, recipient.address, replay),
    recipient,
  }))
}

const batchTerms = ({ quietMs, longestMs, most, firstAtOnce, spacingMs }: BatchRule): BatchTerms => ({
  quiet_ms: quietMs,
  longest_ms: longestMs,
  most,
  first_at_once: firstAtOnce,
  spacing_ms: spacingMs,
})

export const noticeRecord = (notice: Notice): NewRecord => ({
  topic: topics.notices.name,
  key: `${notice.channel}/${notice.recipient.address.toLowerCase()}`,
  value: encode('Notice', notice),
})

const kindOf = (judgement: Judgement<unknown>): Verdict['outcome'] => {
  if (judgement.repeatOf !== null) return 'duplicate'
  if (!isStanding(judgement)) return 'objected'
  return isTold(judgement) ? 'told' : 'no_recipients'
}

/** What was made of a judgement. */
interface Made {
  readonly notices: readonly Pick<Notice, 'id'>[]
  readonly alerts?: readonly Pick<AlertEvent, 'name'>[]
}

/** The alert that a monitor makes of what it would tell. */
export const alertsOf = <N extends EventName>(
  { alertOf }: Monitor<N>,
  judgement: Judgement<Schemas[N]>,
): readonly AlertEvent[] => (alertOf !== undefined && judgement.raises && isTold(judgement) ? [alertOf(judgement)] : [])

export const alertRecord = (alert: AlertEvent): NewRecord => ({
  topic: topics.alertEvents.name,
  key: alertKey(alert.org, alert.name),
  value: encode('AlertEvent', alert),
})

const longestName = 200
const madeText = (alerts: readonly Pick<AlertEvent, 'name'>[]): string =>
  alerts.map(({ name }) => `made the alert ${name.slice(0, longestName)}`).join(', ')

/** A judgement as it is written down, with the ids of the notices that were made of it. */
export const verdictOf = (
  monitor: Pick<Monitor<EventName>, 'name' | 'artifact'>,
  judgement: Judgement<unknown>,
  { notices, alerts = [] }: Made,
): Verdict => {
  const { objections, overruledBy, repeatOf, warnings } = judgement
  const outcome = kindOf(judgement)
  return {
    monitor: monitor.name,
    artifact: monitor.artifact,
    outcome,
    objections,
    overruled_by: overruledBy,
    of: repeatOf?.event ?? '',
    reason:
      repeatOf?.reason ??
      (outcome === 'no_recipients'
        ? 'nobody to tell: no fixed recipient, creator or metadata address'
        : madeText(alerts)),
    notices: notices.map(({ id }) => id),
    warnings,
  }
}

/** The outcome of an event that was judged, in the event's own partition. */
export const outcomeRecord = (
  key: string,
  about: About,
  verdicts: readonly Verdict[],
  { at: { topic, partition, offset }, configuration, now, replay = '' }: JudgedTerms,
): NewRecord => {
  const outcome: Outcome = {
    ...about,
    event_at: { topic, partition, offset },
    at: now,
    configuration,
    replay,
    verdicts,
    deliveries: [],
  }
  return { topic: topics.outcomes.name, key, partition, value: encode('Outcome', outcome) }
}
