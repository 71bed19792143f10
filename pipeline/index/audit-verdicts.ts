import {
  type FindingKind,
  type LaneSums,
  type Work,
  find,
  isInRange,
  laneIn,
  mostFindings,
  outcomeAt,
  parts,
} from './audit-work.ts'
import { type LaneRange, eventAt } from './outcome-index.ts'
import { placeOf } from './place.ts'
import { type VerdictSignature, readVerdictSignature } from './signature.ts'

/** Under one configuration all events of one topic and scope are judged by the same monitors, by each once; a rejected record by none. */
export const auditMonitors = async (lanes: readonly LaneSums[], work: Work): Promise<void> => {
  const found = lanes.flatMap((lane) =>
    parts(work, lane).flatMap(({ index, range }) =>
      index.verdictCounts(range).map(({ signature }) => ({ index, range, signature })),
    ),
  )
  const monitorsOf = new Map<string, Set<string>>()
  for (const { signature, range } of found) {
    const judged = readVerdictSignature(signature)
    if (judged.configuration === '') continue
    const monitors = monitorsOf.get(alike(judged, range)) ?? new Set()
    monitorsOf.set(alike(judged, range), monitors)
    for (const { monitor } of judged.verdicts) monitors.add(monitor)
  }
  for (const { index, range, signature } of found) {
    const judged = readVerdictSignature(signature)
    for (const [monitor, kind] of deviations(judged, monitorsOf.get(alike(judged, range)) ?? new Set()))
      for (const { event, at } of index.judgedAs(signature, range, mostFindings)) {
        const id = (await outcomeAt(work.log, at))?.event ?? ''
        find(work, { kind, id, monitor, ...eventAt(index, event) })
      }
  }
}

/** What is the same for events that the same monitors judge. */
const alike = ({ configuration, scope }: VerdictSignature, { lane }: LaneRange): string =>
  JSON.stringify([configuration, lane.topic, scope])

const deviations = (
  { verdicts }: VerdictSignature,
  monitors: ReadonlySet<string>,
): readonly (readonly [string, FindingKind])[] =>
  [...monitors].flatMap((monitor) => {
    const times = verdicts.filter((verdict) => verdict.monitor === monitor).length
    return times === 1 ? [] : [[monitor, times === 0 ? 'monitor left out' : 'monitor twice'] as const]
  })

/** Events that got their verdicts twice: within one index, or one in each. */
export const auditAgain = async (lanes: readonly LaneSums[], work: Work): Promise<void> => {
  const twice = work.indexes.flatMap((index) =>
    index.again().map(({ event, at }) => ({ place: eventAt(index, event), at })),
  )
  const [kept, fresh] = work.indexes
  if (kept !== undefined && fresh !== undefined)
    for (const lane of lanes)
      for (const { range } of parts({ ...work, indexes: [fresh] }, lane))
        for (const offset of fresh.judged(range)) {
          const other = laneIn(kept, lane.topic, lane.partition)
          const at = other === undefined ? undefined : kept.verdictsOf(placeOf(other.id, offset))
          if (at !== undefined) twice.push({ place: { topic: lane.topic, partition: lane.partition, offset }, at })
        }
  for (const { place, at } of twice)
    if (isInRange(place, lanes))
      find(work, { kind: 'verdicts twice', id: (await outcomeAt(work.log, at))?.event ?? '', monitor: '', ...place })
}
