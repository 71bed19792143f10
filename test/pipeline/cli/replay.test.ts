import Sqlite from 'better-sqlite3'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { checkRange } from '../../../pipeline/cli/replay-arguments.ts'
import { isConfirmed } from '../../../pipeline/cli/replay-sending.ts'
import { topics } from '../../../schemas/topics.ts'
import { PassThrough } from 'node:stream'
import { flowOf, type IndexWorld, openIndexWorld, start } from '../index/index-world.ts'
import { runRelay, writeConfiguration } from './run-relay.ts'

const other = `monitors:
  - { name: soc, artifact: Server.Monitor.FlowCompletion, parameters: { Recipients: [soc@example.org, new@example.org], DelayThreshold: 0 } }
`
const range = ['--from', '2026-04-22T00:00:00Z', '--to', '2026-05-01T00:00:00Z'] as const

let world: IndexWorld
let config: string
let rules: string
beforeEach(async () => {
  world = await openIndexWorld()
  config = writeConfiguration(world.dir)
  rules = join(world.dir, 'other.yaml')
  writeFileSync(rules, other)
})
afterEach(() => world.dispose())

/** Eight flows of which soc is told of the four long ones, judged and delivered. */
const judged = async (): Promise<void> => {
  // The command goes by the system's clock: all that happens here lies before it.
  world.clock.advanceTo(Date.now() - 3_600_000)
  await world.run()
  await world.events(...Array.from({ length: 8 }, (_, n) => flowOf(n)))
  await world.pass(60_000)
}
const replay = (...words: readonly string[]) => runRelay('replay', '-c', config, '--monitors', rules, ...words)
const leftFiles = (): readonly string[] => readdirSync(world.dir).filter((name) => /^replay-.*\.db/.test(name))
const sentTo = (address: string): number =>
  world.outbox.delivered.filter(({ mail }) => mail.to.address === address).length
const delivered = async (): Promise<void> => {
  for (let minutes = 0; minutes < 3; minutes++) await world.pass(60_000)
}

describe('relay replay', { timeout: 180_000 }, () => {
  it('says who would be told and writes the letters, and changes nothing; foreign records are counted and said', async () => {
    await judged()
    await world.log.append([{ topic: topics.flowEvents.name, key: 'k', partition: 0, value: Buffer.from('foreign') }])
    await world.events(flowOf(8), flowOf(10))
    await world.pass(60_000)
    const letters = join(world.dir, 'letters')
    const { code, out, err } = await replay('--from', range[1], '--letters', letters)
    expect(code).toBe(0)
    expect(out).toContain('1 record(s) could not be read and are left out.')
    expect(out).toMatch(/14 gained, \d+ lost, \d+ kept/)
    expect(err).toContain(`14 letter(s) in ${letters}`)
    const emls = readdirSync(letters).filter((name) => name.endsWith('.eml'))
    expect(emls).toHaveLength(14)
    const [first] = emls.filter((name) => name.includes('new@example.org'))
    expect(readFileSync(join(letters, first ?? ''), 'utf8')).toMatch(/^To: new@example\.org/m)
    expect([sentTo('new@example.org'), leftFiles()]).toEqual([0, []])
  })

  it('--send tells once though two are started at the same moment, beside a running service', async () => {
    await judged()
    const before = sentTo('soc@example.org')
    const both = await Promise.all([
      replay(...range, '--send', '--yes'),
      replay(...range, '--send', '--yes', '--name', 'another'),
    ])
    await delivered()
    expect([sentTo('new@example.org'), sentTo('soc@example.org') - before]).toEqual([8, 4])
    for (const { code, err } of both)
      expect(`${code} ${err}`).toMatch(
        /^0 [^]*(are on their way|Nothing is to be sent)|^1 [^]*Another relay replay --send/,
      )
    expect((await replay(...range, '--send', '--yes')).err).toContain('Nothing is to be sent.')
  })

  it('--send where no service runs is delivered by the next one', async () => {
    await judged()
    await world.stop()
    const sent = await replay(...range, '--send', '--yes')
    expect(sent).toMatchObject({ code: 0 })
    expect(sent.err).toContain('12 letter(s) about 8 event(s) to 2 recipient(s): 12 notice(s) are on their way')
    expect(sentTo('new@example.org')).toBe(0)
    await world.run()
    await delivered()
    expect(sentTo('new@example.org')).toBe(8)
  })

  it('--send without a terminal needs --yes, and rules that cannot be read are refused by line', async () => {
    await judged()
    expect(await replay(...range, '--send')).toMatchObject({
      code: 2,
      err: expect.stringContaining('run it in a terminal, or add --yes') as string,
    })
    writeFileSync(rules, 'monitors:\n  - { name: soc, artifact: Server.Monitor.Flow }\n')
    const wrong = await replay(...range)
    expect(wrong.code).toBe(2)
    expect(wrong.err).toMatch(/other\.yaml:2:\d+/)
  })

  it.each([
    ['a text', () => rules],
    ['a database, such as the log', () => join(world.dir, 'log.db')],
    ['a folder', () => world.dir],
  ])('resumes nothing but a replay, and changes no other file: %s', async (_, fileOf) => {
    const file = fileOf()
    const tablesOf = (): unknown => {
      const log = new Sqlite(join(world.dir, 'log.db'), { readonly: true })
      const names = log.prepare('SELECT name FROM sqlite_schema ORDER BY name').pluck().all()
      log.close()
      return [names, readFileSync(rules, 'utf8')]
    }
    const before = tablesOf()
    const { code, err } = await runRelay('replay', '-c', config, '--resume', file)
    expect([code, err]).toEqual([2, `${file} is no replay that was begun.\n`])
    expect(tablesOf()).toEqual(before)
  })

  it('interrupted exits with 130, keeps what it found, and --resume comes to the same', async () => {
    await world.run(['decide'])
    for (let at = 0; at < 12_000; at += 2000) {
      await world.events(...Array.from({ length: 2000 }, (_, n) => flowOf(at + n)))
      await world.settle()
    }
    await world.stop()
    const whole = await replay(...range)
    expect(whole.out).toContain('12000 event(s) replayed')
    const main = join(import.meta.dirname, '../../../pipeline/cli/relay.js')
    const child = spawn(process.execPath, [main, 'replay', '-c', config, '--monitors', rules, ...range], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    const said: string[] = []
    child.stderr.on('data', (part) => said.push(String(part)))
    const exited = once(child, 'exit')
    while (leftFiles().length === 0 && child.exitCode === null) await setTimeout(2)
    child.kill('SIGINT')
    expect((await exited)[0]).toBe(130)
    const path = /--resume (\S+)/.exec(said.join(''))?.[1] ?? ''
    expect(existsSync(path)).toBe(true)
    const changed = await runRelay('replay', '-c', config, '--resume', path, '--json')
    expect(changed).toMatchObject({ code: 2, out: '' })
    const resumed = await runRelay('replay', '-c', config, '--resume', path)
    expect(resumed.out).toBe(whole.out)
    expect([resumed.code, leftFiles()]).toEqual([0, []])
  })
})

describe('the confirmation of what is sent', () => {
  it.each([
    ['yes\n', true],
    ['YES \n', true],
    ['y\n', false],
    ['\n', false],
  ])('%j is %s', async (typed, is) => {
    const input = new PassThrough()
    const output = new PassThrough()
    const asked = isConfirmed('Send 3 letter(s)? Type yes: ', { input, output })
    input.write(typed)
    expect(await asked).toBe(is)
    expect(String(output.read())).toContain('Send 3 letter(s)?')
  })

  it('an end of input is a no', async () => {
    const input = new PassThrough()
    const asked = isConfirmed('Send? ', { input, output: new PassThrough() })
    input.end()
    expect(await asked).toBe(false)
  })
})

describe('the range of a replay', () => {
  const topic = topics.flowEvents.name
  const check = (asked: Parameters<typeof checkRange>[2], warmUpMs: number | null = 0) =>
    checkRange(world.log, topic, asked, warmUpMs)

  it('is refused where the log holds nothing of it, with what it holds', async () => {
    await expect(check({ from: 0, to: start })).rejects.toThrow(`topic ${topic} holds no event`)
    await world.events(...Array.from({ length: 8 }, (_, n) => flowOf(n)))
    await expect(check({ partition: 7, positions: { from: 0, to: 1 } })).rejects.toThrow('the log has 0 to 1')
    await expect(check({ partition: 0, positions: { from: 0, to: 99 } })).rejects.toThrow('ends before position 99')
  })

  it('says what lies before the log, and that what comes before the range is judged too', async () => {
    await world.events(...Array.from({ length: 8 }, (_, n) => flowOf(n)))
    expect(await check({ from: start - 5, to: start + 5 })).toMatch(/^The log begins at 2026-04-22T14:42:27.000Z: /)
    expect(await check({ from: start, to: start + 5 })).toBe('')
    expect(await check({ from: start + 1, to: start + 5 })).toBe('')
    expect(await check({ from: start + 1, to: start + 5 }, null)).toMatch(/from 2026-04-22T14:42:27.000Z on.*--warm-up/)
  })
})
