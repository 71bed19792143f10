import { from, lastValueFrom } from 'rxjs'
import type { OutgoingMail } from '../../connectors/mail/mail.ts'
import { openOutbox } from '../../connectors/mail/outbox.ts'
import type { Velociraptor } from '../../connectors/velociraptor/velociraptor.ts'
import { type Judgement, judgementOf } from '../../operators/judgement.ts'
import type { StateStore } from '../../operators/with-state.ts'
import type { FlowEvent, Mark, Notice, Objection } from '../../schemas/generated.ts'
import { topics } from '../../schemas/topics.ts'
import type { Clock } from '../../schemas/time.ts'
import type { Configuration } from '../config/configuration.ts'
import { configurationHash } from '../config/hash.ts'
import { composeNotices } from '../mailing/compose-notices.ts'
import type { FlowMonitor } from '../monitors/monitor.ts'
import { monitorsOf } from '../service.ts'
import { findEvents } from './find-events.ts'
import type { IndexReading } from './index-reading.ts'
import { readAt, recordsIn } from './log-records.ts'

/** What a monitor would send for an event if it told it. */
export interface Preview {
  readonly monitor: string
  /** Why it would not be told; none: it would, unless it was told before. */
  readonly objections: readonly Objection[]
  readonly warnings: readonly string[]
  /** One for each recipient. */
  readonly letters: readonly OutgoingMail[]
}

export interface PreviewTerms {
  readonly configuration: Configuration
  /** Asked for uploads and results; what it does not give is remarked in the letter. */
  readonly velociraptor: Velociraptor
  readonly clock: Clock
}

const nothingRemembered = (): StateStore<Mark> => ({ get: () => undefined, put: () => undefined })
const preview = 'preview'

/** The newest event that a word names, with its facts: judged, or still on its way to decide; null: none, or its record is no longer kept. */
export const findFlowEvent = async (reading: IndexReading, word: string): Promise<FlowEvent | null> => {
  const [found] = await findEvents(reading, word, 1)
  const { log, snapshot } = reading
  const topic = topics.flowEvents.name
  if (found !== undefined) {
    const judged = [found, ...(await findEvents(reading, found.event, 1))].find(
      ({ outcome }) => outcome.event_at.topic === topic,
    )
    return judged === undefined ? null : ((await readAt(log, 'FlowEvent', judged.outcome.event_at))?.value ?? null)
  }
  const wanted = word.trim().toLowerCase()
  for (let partition = 0; partition < log.partitions; partition++) {
    const offset = snapshot.position('decide', partition, topic) ?? 0
    for await (const { value } of recordsIn(log, 'FlowEvent', { topic, partition, from: { offset } }, () => true))
      if ([value.id, value.flow.id].some((id) => id.toLowerCase() === wanted)) return value
  }
  return null
}

/** The letters of an event as the configuration's monitors would write them now, as if nothing objected and nothing was told before. */
export const previewEvent = async (event: FlowEvent, terms: PreviewTerms): Promise<readonly Preview[]> => {
  const previews: Preview[] = []
  for (const monitor of monitorsOf(terms.configuration)) {
    const judgement = await judge(monitor, event)
    const isTold = judgement.objections.length === 0 || judgement.overruledBy.length > 1
    const letters: OutgoingMail[] = []
    for (const recipient of judgement.recipients)
      letters.push(await write(noticeFor(monitor, event, recipient, terms), letters.length, terms))
    previews.push({
      monitor: monitor.name,
      objections: isTold ? [] : judgement.objections,
      warnings: judgement.warnings,
      letters,
    })
  }
  return previews
}

/** Overruled from the beginning, so that recipients are found whatever objects. */
const judge = (monitor: FlowMonitor, event: FlowEvent): Promise<Judgement<FlowEvent>> =>
  lastValueFrom(
    from([{ ...judgementOf(event), overruledBy: [preview] }]).pipe(
      monitor.chain({ told: nothingRemembered(), windows: nothingRemembered() }),
    ),
  )

const noticeFor = (
  monitor: FlowMonitor,
  event: FlowEvent,
  recipient: Notice['recipient'],
  { configuration, clock }: PreviewTerms,
): Notice => ({
  id: preview,
  monitor: monitor.name,
  artifact: monitor.artifact,
  channel: monitor.channel,
  recipient,
  sender: monitor.sender,
  noticed_at: clock.now(),
  event_at: { topic: topics.flowEvents.name, partition: 0, offset: 0 },
  configuration: configurationHash(configuration),
  replay: '',
  batch: { quiet_ms: 0, longest_ms: 0, most: 1, first_at_once: false, spacing_ms: 0 },
  ...monitor.noticeOf(event),
})

const write = (
  notice: Notice,
  n: number,
  { configuration, velociraptor, clock }: PreviewTerms,
): Promise<OutgoingMail> => {
  const channel = configuration.channels.find(({ name }) => name === notice.channel)
  if (channel === undefined) throw new TypeError(`a monitor without its mail channel ${notice.channel}`)
  const { name, from: sender } = channel
  const domain = sender.address.slice(sender.address.lastIndexOf('@') + 1)
  return composeNotices({ velociraptor, guiUrl: configuration.velociraptor.guiUrl })([notice], {
    messageId: `<${preview}-${encodeURIComponent(notice.monitor)}-${n + 1}@${domain}>`,
    now: clock.now(),
    channel: { name, from: sender, sink: openOutbox({ clock }) },
  })
}
