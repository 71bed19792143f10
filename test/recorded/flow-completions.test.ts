import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { isDictionary, type Dictionary } from '../../connectors/velociraptor/exact-json.ts'
import { isTold, type Judgement } from '../../operators/judgement.ts'
import { flowLetter } from '../../pipeline/letters/flow-letter.ts'
import { flowCompletionId, readFlowCompletion } from '../../pipeline/sources/flow-completion-row.ts'
import { flowEventOf } from '../../pipeline/sources/flow-event.ts'
import { huntOf } from '../../operators/flow-facts.ts'
import type { FlowEvent } from '../../schemas/generated.ts'
import { lines, rows } from '../connectors/velociraptor/recordings.ts'
import { CONTEXT, noticeWith } from '../pipeline/letters/notices.ts'
import { judged, monitorWith } from '../pipeline/monitors/flow-monitors.ts'

/** A mail that the server's own artifact sent for a row of the recorded queue, counted from 1. */
interface RecordedMail {
  readonly live_row: number
  readonly ClientId: string
  readonly FlowId: string
  readonly to: readonly string[]
  readonly subject: string
  readonly parameters: Readonly<Record<string, string>>
}

const recorded = <T>(file: string): readonly T[] =>
  readFileSync(new URL(file, import.meta.url), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as T)
const mails = recorded<RecordedMail>('mails.jsonl')
/** Each time that the artifact decided to send a mail, epoch ms, also where sending failed. */
const attempts = recorded<{ readonly at: number; readonly status: string }>('attempts.jsonl')

const live = lines('live/System.Flow.Completion.jsonl').map((text, n) => ({
  number: n + 1,
  text,
  row: readFlowCompletion(JSON.parse(text)),
}))
type LiveRow = (typeof live)[number]

/** Before this row the artifact was not on. */
const firstJudged = 24

const byKey = (file: string, ...columns: readonly string[]): ReadonlyMap<string, Dictionary> =>
  new Map(rows(file).map((row) => [columns.map((column) => String(row[column])).join(' '), row]))
const state = {
  flows: byKey('state/flows.jsonl', 'client_id', 'session_id'),
  clients: byKey('state/client_info.jsonl', 'CId'),
  metadata: byKey('state/client_metadata.jsonl', 'CId'),
  definitions: byKey('state/artifact_definitions.jsonl', 'name'),
  hunts: new Map(
    rows('state/hunt_info.jsonl').flatMap(({ H }) => (isDictionary(H) ? [[String(H['hunt_id']), H] as const] : [])),
  ),
}

const dictionaryIn = (value: unknown): Dictionary | null => (isDictionary(value) ? value : null)

const eventOf = ({ row, text }: LiveRow): FlowEvent => {
  const received_at = row.receivedAt ?? 0
  const raw = {
    org: 'root', queue: 'System.Flow.Completion', id: flowCompletionId('root', row, received_at), received_at,
    read_at: received_at, origin: 'live' as const, row: text,
  } // prettier-ignore
  return flowEventOf(raw, {
    orgName: '<root>',
    flow: state.flows.get(`${row.client} ${row.flow}`) ?? null,
    client: dictionaryIn(state.clients.get(row.client)?.['C']),
    metadata: dictionaryIn(state.metadata.get(row.client)?.['M']),
    hunt: state.hunts.get(huntOf(row.flow) ?? '') ?? null,
    definitions: state.definitions,
  })
}

/** The parameters that were set when a row came. */
const parametersAt = (number: number): RecordedMail['parameters'] => {
  const set = mails.filter(({ live_row }) => live_row <= number).at(-1) ?? mails[0]
  if (set === undefined) throw new Error('no mail was recorded')
  return set.parameters
}

/** Whether the artifact decided to send a mail for a row. Of flows of a hunt, which come together, all or none were told. */
const wasTold = ({ number, row: { flow, timestamp } }: LiveRow): boolean => {
  if (mails.some(({ live_row }) => live_row === number)) return true
  const siblings = live.filter(({ row }) => huntOf(row.flow) !== null && row.flow === flow)
  const near = attempts.filter(
    ({ at }) => Math.floor(at / 1000) - Math.floor((timestamp ?? 0) / 1000) in { 0: 1, 1: 1 },
  )
  return siblings.length === 0 ? near.length > 0 : mails.some((mail) => mail.FlowId === flow)
}

const judge = (one: LiveRow): Judgement<FlowEvent> => {
  const { Secret: _, ...parameters } = { Secret: '', ...parametersAt(one.number) }
  const [judgement] = judged(monitorWith(parameters), [eventOf(one)])
  if (judgement === undefined) throw new Error('no judgement')
  return judgement
}
const addresses = (list: readonly string[]): readonly string[] => list.map((one) => one.toLowerCase()).toSorted()

/** Where we differ on purpose: the row, what differs, and the defect of the artifact. */
const exceptions: readonly (readonly [number: number, what: 'told' | 'recipients' | 'subject', why: string])[] = [
  [92, 'recipients', 'D-20: the domain of a creator counts although NotifyExecutor is off'],
  [94, 'recipients', 'D-20: the domain of a creator counts although NotifyExecutor is off'],
  [99, 'told', 'D-01: a blank NewClientArtifacts lets every flow of a new client through'],
]

const known = live.filter(({ number, row }) => number >= firstJudged && state.flows.has(`${row.client} ${row.flow}`))

describe('a recorded flow', () => {
  it('is one of those whose record was kept, and most mails are about one', () => {
    expect(known.length).toBeGreaterThan(30)
    expect(mails.filter(({ live_row }) => known.some(({ number }) => number === live_row)).length).toBe(
      mails.length - 1,
    )
  })

  it.each(known.map((one) => [one.number, one.row.flow, one] as const))(
    '%i (%s) is told as it was told',
    (number, _, one) => {
      const judgement = judge(one)
      const mail = mails.find(({ live_row }) => live_row === number)
      const differs: string[] = []
      if (isTold(judgement) !== wasTold(one)) differs.push('told')
      if (mail !== undefined && isTold(judgement)) {
        const told = judgement.recipients.map(({ address }) => address)
        if (JSON.stringify(addresses(told)) !== JSON.stringify(addresses(mail.to))) differs.push('recipients')
        const base = noticeWith()
        const letter = flowLetter({ ...base, flow: judgement.event }, CONTEXT)
        if (letter.subject !== mail.subject) differs.push('subject')
      }
      expect(differs).toEqual(exceptions.filter(([at]) => at === number).map(([, what]) => what))
    },
  )

  it('is no exception without need', () => {
    for (const [number] of exceptions) expect(known.map((one) => one.number)).toContain(number)
    for (const [, , why] of exceptions) expect(why).toMatch(/^D-\d\d: /)
  })
})
