import type { Database } from 'better-sqlite3'
import type { StateKey, TaskState } from '../event-log.ts'
import type { OpenedTask } from '../local-store.ts'

/** Positions and state of all tasks. */
export interface TaskRows {
  open(topology: string, partition: number): Omit<OpenedTask, 'othersAreDead'>
}

type Entry = readonly [StateKey, Uint8Array]

const secondPageEntries = 16
const pageEntries = 256

/** `topicIds`: the stored number of the topic at each index. */
export const openTaskRows = (writer: Database, topicIds: readonly number[]): TaskRows => {
  const create = writer.prepare('INSERT OR IGNORE INTO task (topology, partition) VALUES (?, ?)')
  const find = writer
    .prepare<[string, number], number>('SELECT id FROM task WHERE topology = ? AND partition = ?')
    .pluck()
  const next = writer
    .prepare<[number, number], number>('SELECT next FROM position WHERE task = ? AND topic = ?')
    .pluck()
  const get = writer.prepare<[number, string], Uint8Array>('SELECT value FROM state WHERE task = ? AND key = ?').pluck()
  // In this form the plan depends on no value that is bound: with `task = ?` and `LIMIT ?` SQLite plans anew at every call.
  const rangeFrom = (comparison: '>=' | '>', most: number) =>
    writer
      .prepare<[number, string, number, string], Entry>(
        `SELECT key, value FROM state WHERE (task, key) ${comparison} (?, ?) AND (task, key) < (?, ?) ORDER BY task, key LIMIT ${most}`,
      )
      .raw()
  const firstEntry = rangeFrom('>=', 1)
  const secondPage = rangeFrom('>', secondPageEntries)
  const nextPage = rangeFrom('>', pageEntries)

  /** In pages: an open cursor would keep the connection from writing. Many ask for the first entry only, and most ranges are empty. */
  function* range(id: number, from: StateKey, to: StateKey): Iterable<Entry> {
    const first = firstEntry.get(id, from, id, to)
    if (first === undefined) return
    yield first
    let page = secondPage.all(id, first[0], id, to)
    yield* page
    for (let most = secondPageEntries; page.length === most; most = pageEntries) {
      page = nextPage.all(id, (page.at(-1) as Entry)[0], id, to)
      yield* page
    }
  }

  const stateOf = (id: number): TaskState => ({
    get: (key) => get.get(id, key),
    range: (from, to) => range(id, from, to),
  })

  return {
    open: (topology, partition) => {
      if (find.get(topology, partition) === undefined) create.run(topology, partition)
      const id = find.get(topology, partition) as number
      return { id, state: stateOf(id), position: (topic) => next.get(id, topicIds[topic] as number) }
    },
  }
}
