/**
 * `npm run soak:notices [-- --count 1000000]`: notices, a letter each, come while the mail server is away and stay open; then a new
 * process finds them, and the server is back. Says the most memory that each process had and how long the first letter took, and ends
 * with 1 when one had more than 350 MB, a notice is missing, or the first letter took longer than 3 s.
 */
import Sqlite from 'better-sqlite3'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { openEmbeddedLog } from '../../connectors/log/embedded-log.ts'
import type { MailReply, MailSink } from '../../connectors/mail/mail.ts'
import { systemClock } from '../../pipeline/runtime/system-clock.ts'
import { keepYoungHeapSmall } from '../../pipeline/runtime/young-heap.ts'
import { startService } from '../../pipeline/service.ts'
import { encode } from '../../schemas/codec.ts'
import { allTopics, topics } from '../../schemas/topics.ts'
import { fiveMonitors } from '../bench/configuration.ts'
import { makeFlowWorld } from '../bench/flow-world.ts'
import { noticeWith } from '../pipeline/letters/notices.ts'

const mostRss = 350e6
const longestStartMs = 3000
const fedTogether = 500
const mostUnread = 5000
/** Letters that the second process sends before it stops. */
const sentAfterwards = 500

interface Said {
  readonly rss: number
  readonly seconds: number
  readonly firstLetterMs: number
}

const sink = (answer: () => MailReply): MailSink => ({
  connections: 4,
  send: () => Promise.resolve(answer()),
  probe: () => Promise.resolve(answer()),
  close: () => Promise.resolve(),
})

const watchRss = (): { readonly most: () => number; stop(): void } => {
  let most = 0
  const look = (): void => void (most = Math.max(most, process.memoryUsage.rss()))
  const timer = setInterval(look, 50)
  return { most: () => Math.max(most, process.memoryUsage.rss()), stop: () => clearInterval(timer) }
}

const openWorld = async (dir: string, answer: () => MailReply) => {
  keepYoungHeapSmall()
  const clock = systemClock()
  const tell = (): void => undefined
  const log = await openEmbeddedLog({ dir, topics: allTopics, clock, tell })
  const channel = { name: 'default', from: { address: 'velociraptor@example.org', name: '' }, sink: sink(answer) }
  const { velociraptor } = makeFlowWorld(0)
  const world = { log, clock, tell, velociraptor, random: Math.random, channels: new Map([[channel.name, channel]]) }
  const service = await startService(world, { configuration: fiveMonitors(), stages: ['deliver'], since: null })
  const end = async (): Promise<void> => {
    await service.stop()
    await log.close()
  }
  return { log, end }
}

/** Notices that deliver has read and committed. */
const readCount = (dir: string): (() => number) => {
  const database = new Sqlite(join(dir, 'log.db'), { readonly: true })
  const read = database
    .prepare<[string], number>(
      `SELECT coalesce(sum(next), 0) FROM position JOIN task ON task.id = position.task JOIN topic ON topic.id = position.topic
       WHERE task.topology = 'deliver' AND topic.name = ?`,
    )
    .pluck()
  return () => read.get(topics.notices.name) as number
}

const fill = async (dir: string, count: number): Promise<Said> => {
  const begun = performance.now()
  const { log, end } = await openWorld(dir, () => ({ kind: 'unavailable', code: 0, text: 'nothing listens' }))
  const rss = watchRss()
  const read = readCount(dir)
  const until = async (least: number): Promise<void> => {
    while (read() < least) await setTimeout(20)
  }
  for (let from = 0; from < count; from += fedTogether) {
    await log.append(
      Array.from({ length: Math.min(fedTogether, count - from) }, (_, k) => {
        const notice = noticeWith({
          notice: {
            id: `notice-${from + k}`,
            recipient: { address: `user${from + k}@example.org`, name: '' },
            batch: { quiet_ms: 0, longest_ms: 0, most: 1, first_at_once: false, spacing_ms: 0 },
          },
        })
        return { topic: topics.notices.name, key: notice.id, value: encode('Notice', notice) }
      }),
    )
    await until(from - mostUnread)
  }
  await until(count)
  const said = { rss: rss.most(), seconds: (performance.now() - begun) / 1000, firstLetterMs: 0 }
  rss.stop()
  await end()
  return said
}

const resume = async (dir: string): Promise<Said> => {
  const begun = performance.now()
  let sent = 0
  let firstLetterMs = 0
  const enough = Promise.withResolvers<void>()
  const rss = watchRss()
  const { end } = await openWorld(dir, () => {
    if (sent++ === 0) firstLetterMs = performance.now() - begun
    if (sent === sentAfterwards) enough.resolve()
    return { kind: 'accepted', code: 250, text: 'taken' }
  })
  await enough.promise
  await end()
  rss.stop()
  return { rss: rss.most(), seconds: (performance.now() - begun) / 1000, firstLetterMs }
}

/** Letters in the state of deliver: those that wait, and those under way when it ended. */
const openLetters = (dir: string): number => {
  const database = new Sqlite(join(dir, 'log.db'), { readonly: true })
  try {
    const count = `SELECT count(*) FROM state JOIN task ON task.id = state.task WHERE task.topology = 'deliver' AND key >= 'letter/' AND key < 'letter0'`
    return database.prepare<[], number>(count).pluck().get() as number
  } finally {
    database.close()
  }
}

const inOwnProcess = async (deed: 'fill' | 'resume', dir: string, count: number): Promise<Said> => {
  const child = fork(import.meta.filename, ['--deed', deed, '--dir', dir, '--count', String(count)])
  const [said] = (await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(([code]) =>
      Promise.reject(new Error(`the process that should ${deed} ended with ${code}`)),
    ),
  ])) as [Said]
  if (child.exitCode === null) await once(child, 'exit')
  return said
}

export interface Kept {
  /** Letters that are open once all notices came. */
  readonly open: number
  readonly filled: Said
  readonly resumed: Said
}

/** Keeps so many notices open in one process, and lets another one, which finds them, send some. */
export const keepNotices = async (count: number): Promise<Kept> => {
  const dir = mkdtempSync(join(tmpdir(), 'raptor-relay-notices-'))
  try {
    const filled = await inOwnProcess('fill', dir, count)
    const open = openLetters(dir)
    return { open, filled, resumed: await inOwnProcess('resume', dir, count) }
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

const mb = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`

if (import.meta.main) {
  const { values } = parseArgs({
    options: { count: { type: 'string', default: '1000000' }, deed: { type: 'string' }, dir: { type: 'string' } },
  })
  const count = Number(values.count)
  if (values.deed !== undefined && values.dir !== undefined) {
    const said = values.deed === 'fill' ? await fill(values.dir, count) : await resume(values.dir)
    process.send?.(said)
    process.disconnect()
  } else {
    const { open, filled, resumed } = await keepNotices(count)
    console.log(
      `${count} notices came in ${filled.seconds.toFixed(1)} s, ${open} letters are open; most memory ${mb(filled.rss)}`,
    )
    console.log(
      `a new process sent its first letter after ${resumed.firstLetterMs.toFixed(0)} ms, ${sentAfterwards} after ${resumed.seconds.toFixed(1)} s; most memory ${mb(resumed.rss)}`,
    )
    const isQuick = resumed.firstLetterMs <= longestStartMs
    process.exitCode = open === count && Math.max(filled.rss, resumed.rss) <= mostRss && isQuick ? 0 : 1
  }
}
