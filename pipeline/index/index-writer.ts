import type { Delivery, Outcome } from '../../schemas/generated.ts'
import type { EpochMs } from '../../schemas/time.ts'
import { hashOf, wordsOf } from './outcome-keys.ts'
import type { Applied, OutcomeIndex } from './outcome-index.ts'
import { blockOf, blockSize, type Place, placeOf } from './place.ts'
import { deliverySignature, verdictSignature } from './signature.ts'

/** An outcome as it stands in the log. */
export interface KeptOutcome {
  readonly offset: number
  readonly timestamp: EpochMs
  /** null: it cannot be read; its event then counts as one without verdicts. */
  readonly outcome: Outcome | null
}

/** Writes outcomes into an index: rows and the position in one commit, so that a kill neither loses nor doubles. */
export interface IndexWriter {
  /**
   * Applies a partition's outcomes in order, when the index stands at `next` as the caller thinks; says whether. Outcomes below are
   * skipped. Durable when it returns, or nothing was done.
   */
  apply(partition: number, next: number, outcomes: readonly KeptOutcome[]): boolean
  /** Forgets outcomes that the log no longer has: each partition's below its floor. A bounded number at a time; says whether more is left. */
  prune(floors: readonly number[]): boolean
  /** Empties the index. */
  clear(): void
}

/**
 * Words of one segment. Words are scattered over its tree, so that a commit writes most of it anew: it is kept small. A look goes
 * through all segments; whole ones are dropped.
 */
const usualSegmentWords = 250_000
const pruneStep = 20_000

/** A writer of an index opened for writing; one at a time. `segmentWords`: words of one segment. */
export const openIndexWriter = ({ database, applied }: OutcomeIndex, segmentWords = usualSegmentWords): IndexWriter => {
  const move = database.prepare<[number, number, EpochMs]>('INSERT OR REPLACE INTO applied VALUES (?, ?, ?)')
  const judge = database.prepare<[Place, Place, number]>('INSERT OR IGNORE INTO judged VALUES (?, ?, ?)')
  const judgeByReplay = database.prepare<[Place, Place, number]>('INSERT OR IGNORE INTO replayed VALUES (?, ?, ?)')
  const judgeAgain = database.prepare<[Place, Place]>('INSERT OR IGNORE INTO again VALUES (?, ?)')
  const deliver = database.prepare<[Place, Place, number, number]>('INSERT OR IGNORE INTO delivery VALUES (?, ?, ?, ?)')
  const setAside = database.prepare<[Place, string]>('INSERT OR IGNORE INTO aside VALUES (?, ?)')
  const owe = database.prepare<[string, number, string, Place, Place]>(
    'INSERT OR IGNORE INTO owed VALUES (?, ?, ?, ?, ?)',
  )
  const settle = database.prepare<[string, number]>('DELETE FROM owed WHERE notice = ? AND balance = ?')
  const add = database.prepare<[number, string]>('UPDATE owed SET balance = balance + ? WHERE notice = ?')
  const judgedSums = openSums(database, 'judged')
  const deliverySums = openSums(database, 'delivery')
  const segments = openSegments(database, segmentWords)
  const laneOf = openDictionary(database, 'lane', 'topic = ? AND partition = ?', '(topic, partition) VALUES (?, ?)')
  const signatureOf = openDictionary(database, 'signature', 'text = ?', '(text) VALUES (?)')

  /** What was decided and what was delivered must come out even for each notice, in whichever order they are read. */
  const book = (notice: string, by: 1 | -1, monitor: string, event: Place, at: Place): void => {
    if (settle.run(notice, -by).changes > 0) return
    if (owe.run(notice, by, monitor, event, at).changes === 0) add.run(by, notice)
  }

  const takeVerdicts = (outcome: Outcome, at: Place): void => {
    const { event_at, verdicts, replay } = outcome
    // A record that could not be completed never became an event.
    if (!event_at.topic.startsWith('events.')) return void setAside.run(at, event_at.topic)
    const event = placeOf(laneOf(event_at.topic, event_at.partition), event_at.offset)
    const signature = signatureOf(verdictSignature(outcome))
    // A replay adds notices to an event; its verdicts are those that it has.
    if (replay !== '') judgeByReplay.run(event, at, signature)
    else if (judge.run(event, at, signature).changes === 0) judgeAgain.run(event, at)
    else judgedSums.add(event, signature)
    for (const { monitor, notices } of verdicts) for (const notice of notices) book(notice, 1, monitor, event, at)
  }

  const takeDelivery = (delivery: Delivery, n: number, { event_at }: Outcome, at: Place): void => {
    const event = placeOf(laneOf(event_at.topic, event_at.partition), event_at.offset)
    const signature = signatureOf(deliverySignature(delivery))
    if (deliver.run(event, at, n, signature).changes > 0) deliverySums.add(event, signature)
    const by = balanceOf(delivery.outcome)
    if (by !== 0) book(delivery.notice, by, delivery.monitor, event, at)
  }

  const take = (outcome: Outcome, at: Place, words: Word[]): void => {
    if (outcome.verdicts.length > 0 || outcome.deliveries.length === 0) takeVerdicts(outcome, at)
    outcome.deliveries.forEach((delivery, n) => takeDelivery(delivery, n, outcome, at))
    for (const word of wordsOf(outcome)) words.push({ hash: hashOf(word), at })
  }

  const applyAll = database.transaction(
    (partition: number, expected: number, outcomes: readonly KeptOutcome[]): boolean => {
      let { next, time }: Applied = applied(partition)
      if (next !== expected) return false
      if (outcomes.length === 0) return true
      const words: Word[] = []
      for (const { offset, timestamp, outcome } of outcomes) {
        if (offset < next) continue
        if (outcome !== null) take(outcome, placeOf(partition, offset), words)
        next = offset + 1
        time = timestamp
      }
      move.run(partition, next, time)
      // In the order of the tree: a page is then written to once.
      for (const { hash, at } of words.sort((a, b) => a.hash - b.hash || a.at - b.at)) segments.add(hash, at)
      segments.end(partition, next)
      judgedSums.write()
      deliverySums.write()
      return true
    },
  )

  const forget = (): void => {
    laneOf.forget()
    signatureOf.forget()
    segments.forget()
    judgedSums.forget()
    deliverySums.forget()
  }
  /** What is remembered of the tables must not outlive a commit that did not stand. */
  const guarded = <T>(call: () => T): T => {
    try {
      return call()
    } catch (cause) {
      forget()
      throw cause
    }
  }

  return {
    apply: (partition, next, outcomes) => guarded(() => applyAll.immediate(partition, next, outcomes)),
    prune: (floors) => guarded(() => database.transaction(() => pruneAll(database, floors, segments)).immediate()),
    clear: () =>
      guarded(() => {
        database
          .transaction(() => {
            segments.dropAll()
            for (const table of [
              'applied',
              'lane',
              'signature',
              'judged',
              'judged_sum',
              'again',
              'replayed',
              'delivery',
              'delivery_sum',
              'owed',
              'aside',
            ])
              database.exec(`DELETE FROM ${table}`)
          })
          .immediate()
        forget()
      }),
  }
}

/** What a delivery changes of what is owed to its notice: a redriven one is owed again, and to drop what could not be delivered changes nothing. */
const balanceOf = (outcome: Delivery['outcome']): 1 | 0 | -1 => {
  if (outcome === 'redriven') return 1
  return outcome === 'told' || outcome === 'undeliverable' ? -1 : 0
}

/** Counts rows by block and signature, as they are added; written once for a commit. */
interface Sums {
  add(event: Place, signature: number): void
  write(): void
  forget(): void
}

const openSums = (database: OutcomeIndex['database'], table: 'judged' | 'delivery'): Sums => {
  const write = database.prepare<[number, number, number]>(
    `INSERT INTO ${table}_sum VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count`,
  )
  const added = new Map<number, Map<number, number>>()
  return {
    add(event, signature) {
      const block = blockOf(event)
      const counts = added.get(block) ?? new Map<number, number>()
      added.set(block, counts)
      counts.set(signature, (counts.get(signature) ?? 0) + 1)
    },
    write() {
      for (const [block, counts] of added) for (const [signature, count] of counts) write.run(block, signature, count)
      added.clear()
    },
    forget: () => added.clear(),
  }
}

interface Dictionary {
  (...values: readonly (string | number)[]): number
  forget(): void
}

const mostRemembered = 10_000

/** Numbers for what repeats, remembered. */
const openDictionary = (
  database: OutcomeIndex['database'],
  table: string,
  where: string,
  values: string,
): Dictionary => {
  const find = database.prepare<(string | number)[], number>(`SELECT id FROM ${table} WHERE ${where}`).pluck()
  const insert = database.prepare<(string | number)[]>(`INSERT INTO ${table} ${values}`)
  const remembered = new Map<string, number>()
  const idOf = (...given: readonly (string | number)[]): number => {
    const name = given.length === 1 ? String(given[0]) : given.join('\n')
    const known = remembered.get(name)
    if (known !== undefined) return known
    const id = find.get(...given) ?? Number(insert.run(...given).lastInsertRowid)
    if (remembered.size >= mostRemembered) remembered.clear()
    remembered.set(name, id)
    return id
  }
  return Object.assign(idOf, { forget: () => remembered.clear() })
}

interface Word {
  readonly hash: number
  readonly at: Place
}

interface Segments {
  add(hash: number, at: Place): void
  /** How far the present segment holds a partition's outcomes. */
  end(partition: number, next: number): void
  /** Drops segments whose outcomes are all below their partitions' floors. */
  dropBelow(floors: readonly number[]): void
  dropAll(): void
  forget(): void
}

const openSegments = (database: OutcomeIndex['database'], segmentWords: number): Segments => {
  const last = database.prepare<[], { id: number; words: number }>(
    'SELECT id, words FROM segment ORDER BY id DESC LIMIT 1',
  )
  const count = database.prepare<[number, number]>('UPDATE segment SET words = ? WHERE id = ?')
  const reach = database.prepare<[number, number, number]>('INSERT OR REPLACE INTO segment_end VALUES (?, ?, ?)')
  const ends = database.prepare<[number], { partition: number; next: number }>(
    'SELECT partition, next FROM segment_end WHERE segment = ?',
  )
  const insertInto = (id: number) => database.prepare<[number, Place]>(`INSERT OR IGNORE INTO word_${id} VALUES (?, ?)`)
  let present: { id: number; words: number; insert: ReturnType<typeof insertInto> } | undefined

  const open = (): NonNullable<typeof present> => {
    if (present !== undefined) return present
    const { id, words } = last.get() as { id: number; words: number }
    return (present = { id, words, insert: insertInto(id) })
  }
  const create = (id: number): void => {
    database.prepare('INSERT INTO segment VALUES (?, 0)').run(id)
    database.exec(
      `CREATE TABLE word_${id} (hash INTEGER NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (hash, at)) WITHOUT ROWID`,
    )
  }
  const drop = (id: number): void => {
    database.exec(`DROP TABLE word_${id}`)
    database.prepare('DELETE FROM segment WHERE id = ?').run(id)
    database.prepare('DELETE FROM segment_end WHERE segment = ?').run(id)
  }
  const all = (): readonly number[] => database.prepare<[], number>('SELECT id FROM segment ORDER BY id').pluck().all()

  return {
    add(hash, at) {
      const segment = open()
      segment.insert.run(hash, at)
      segment.words++
    },
    end(partition, next) {
      const { id, words } = open()
      reach.run(id, partition, next)
      count.run(words, id)
      if (words < segmentWords) return
      create(id + 1)
      present = undefined
    },
    dropBelow(floors) {
      for (const id of all().slice(0, -1))
        if (ends.all(id).every(({ partition, next }) => next <= (floors[partition] ?? 0))) drop(id)
    },
    dropAll() {
      const ids = all()
      create((ids.at(-1) ?? 0) + 1)
      for (const id of ids) drop(id)
      present = undefined
    },
    forget: () => void (present = undefined),
  }
}

const pruneAll = (database: OutcomeIndex['database'], floors: readonly number[], segments: Segments): boolean => {
  segments.dropBelow(floors)
  let removed = 0
  floors.forEach((floor, partition) => {
    for (const [table, key] of [
      ['aside', 'at'],
      ['again', 'event, at'],
      ['replayed', 'event, at'],
      ['owed', 'notice'],
    ] as const)
      removed += database
        .prepare<[Place, Place, number]>(
          `DELETE FROM ${table} WHERE (${key}) IN (SELECT ${key} FROM ${table} WHERE at >= ? AND at < ? LIMIT ?)`,
        )
        .run(placeOf(partition, 0), placeOf(partition, floor), pruneStep).changes
  })
  for (const lane of database.prepare<[], number>('SELECT id FROM lane').pluck().all())
    removed += pruneLane(database, lane, floors)
  return removed >= pruneStep
}

/** An event's verdicts are written in the order of the events: what goes is a lane's beginning, and the deliveries of the same events. */
const pruneLane = (database: OutcomeIndex['database'], lane: number, floors: readonly number[]): number => {
  const [start, end] = [placeOf(lane, 0), placeOf(lane + 1, 0)]
  const isGone = `at < CASE at >> 40 ${floors.map((floor, partition) => `WHEN ${partition} THEN ${placeOf(partition, floor)}`).join(' ')} END`
  const oldest = database.prepare<[Place, Place, number], { event: Place; gone: 0 | 1 }>(
    `SELECT event, ${isGone} AS gone FROM judged WHERE event >= ? AND event < ? ORDER BY event LIMIT ?`,
  )
  const rows = oldest.all(start, end, pruneStep)
  const firstKept = rows.findIndex(({ gone }) => gone === 0)
  const last = rows.at(firstKept < 0 ? -1 : firstKept - 1)
  if (last === undefined || firstKept === 0) return 0
  const { changes } = database
    .prepare<[Place, Place]>('DELETE FROM judged WHERE event >= ? AND event <= ?')
    .run(start, last.event)
  // A letter may have been delivered long after the verdict.
  database
    .prepare<[Place, Place]>(`DELETE FROM delivery WHERE event >= ? AND event <= ? AND ${isGone}`)
    .run(start, last.event)
  for (const table of ['judged', 'delivery']) {
    const block = blockOf(last.event)
    database
      .prepare<[number, number]>(`DELETE FROM ${table}_sum WHERE block >= ? AND block <= ?`)
      .run(blockOf(start), block)
    database
      .prepare<[Place, Place]>(
        `INSERT INTO ${table}_sum SELECT event >> 12, signature, count(*) FROM ${table} WHERE event >= ? AND event < ? GROUP BY 1, 2`,
      )
      .run(start, (block + 1) * blockSize)
  }
  return changes
}
