import { BehaviorSubject, Observable } from 'rxjs'
import { beforeEach, describe, expect, it } from 'vitest'
import { standInVelociraptor } from '../../../connectors/velociraptor/stand-in/in-process.ts'
import { createWorld, type StandInWorld } from '../../../connectors/velociraptor/stand-in/world.ts'
import type { Velociraptor } from '../../../connectors/velociraptor/velociraptor.ts'
import { logTable } from '../../../operators/log-table.ts'
import { collect, type CollectOptions } from '../../../pipeline/collect.ts'
import { mostRowBytes } from '../../../pipeline/runtime/record-sizes.ts'
import { logSource, type QueueSource } from '../../../pipeline/sources/queue-source.ts'
import { compilePattern } from '../../../schemas/pattern.ts'
import { type Topic, topics } from '../../../schemas/topics.ts'
import { openStageWorld, type Running, type StageWorld, start } from '../runtime/stage-world.ts'

const minute = 60_000

const row = (level: string, artifact = '.+') => ({
  artifact: compilePattern(artifact),
  level: compilePattern(level),
  message: compilePattern('.+'),
  severity: 'medium',
  extra: [],
})

const logs = (of: 'server' | 'client', levels: readonly string[] = ['ERROR'], periodMs = minute): QueueSource => {
  const table = logTable({ include: levels.map((level) => row(level)), exclude: [] })
  const selection = {
    concerns: () => true,
    levels: levels.map(compilePattern),
    selects: (line: Parameters<typeof table>[0]) => table(line) !== null,
  }
  return logSource({ of, periodMs, selections: [selection] })
}

let world: StageWorld
let server: StandInWorld
let velociraptor: Velociraptor
beforeEach(() => {
  world = openStageWorld()
  server = createWorld({ now: start, clients: [{ client_id: 'C.1' }, { client_id: 'C.2' }] })
  velociraptor = standInVelociraptor(server, { clock: world.clock })
})

const run = (sources: readonly QueueSource[] = [logs('server')], more: Partial<CollectOptions> = {}): Running =>
  world.run(
    collect({
      ...world.common,
      velociraptor,
      orgs: ['root'],
      sources: new BehaviorSubject(sources),
      since: null,
      ...more,
    }),
  )

const log = (client: string, artifact: string, message: string, level = 'ERROR', org = 'root'): void =>
  server.log(org, client, artifact, { level, message }, world.clock.now())

interface Line {
  readonly Message?: string
  readonly message?: string
  readonly _Queue: string
  readonly _Client: string
}

const read = async (topic: Topic = topics.rawServerLogs): Promise<readonly string[]> =>
  (await world.values(topic, 'RawEvent')).map(({ row: json, queue }) => {
    const line = JSON.parse(json) as Line
    return `${line._Client} ${queue} ${line.Message ?? line.message ?? ''}`
  })
const readOfClients = (): Promise<readonly string[]> => read(topics.rawClientLogs)

describe('reading logs', () => {
  it('begins now at the first run, and says so', async () => {
    log('server', 'X', 'before')
    await world.pass(5000)
    run()
    await world.pass(1000)
    log('server', 'X', 'after')
    await world.pass(2 * minute)
    expect(await read()).toEqual(['server X after'])
    expect(world.saidOf('collect begins')).toMatchObject([{ queue: 'server logs' }])
  })

  it('begins where it is told', async () => {
    log('C.1', 'Y', 'long ago')
    await world.pass(60 * minute)
    log('C.1', 'Y', 'wanted')
    await world.pass(10 * minute)
    run([logs('client')], { since: start + 30 * minute })
    await world.pass(minute)
    expect(await readOfClients()).toEqual(['C.1 Y wanted'])
  })

  it('goes on where it was after any time, and reads no line twice though lines are equal', async () => {
    const first = run()
    await world.pass(minute)
    for (let n = 0; n < 3; n++) log('server', 'X', 'boom')
    await world.pass(2 * minute)
    expect(await read()).toHaveLength(3)
    first.stop()
    await world.reopen()
    for (let day = 0; day < 3; day++) {
      log('server', 'X', `day ${day}`)
      await world.pass(24 * 60 * minute)
    }
    run()
    await world.pass(3 * minute)
    expect((await read()).slice(3)).toEqual(['server X day 0', 'server X day 1', 'server X day 2'])
    const origins = (await world.values(topics.rawServerLogs, 'RawEvent')).map(({ origin }) => origin)
    expect(origins).toEqual(['live', 'live', 'live', 'history', 'history', 'history'])
  })

  it('reads a line that reaches the server’s disk late', async () => {
    server.readDelayMs = 90_000
    run()
    await world.pass(minute - 1000)
    log('server', 'X', 'late')
    await world.pass(20 * minute)
    expect(await read()).toEqual(['server X late'])
  })

  it.each(['before', 'after'] as const)('keeps lines and cursor in one commit: refused %s it stands', async (when) => {
    run()
    await world.pass(10_000)
    log('server', 'X', 'boom')
    world.failCommits('collect', when)
    await world.pass(4 * minute)
    expect(await read()).toEqual(['server X boom'])
  })

  it('takes lines only that a monitor looks for, and counts the others', async () => {
    run([logs('server', ['ERROR|WARN'])])
    await world.pass(1000)
    for (const level of ['DEBUG', 'ERROR', 'WARN', 'DEFAULT', '']) log('server', 'X', `at ${level}`, level)
    await world.pass(minute)
    expect(await read()).toEqual(['server X at ERROR', 'server X at WARN'])
    expect(world.saidOf('log round').at(-1)).toMatchObject({ queue: 'server logs', lines: 2, kept: 2 })
  })

  it('takes a line without a level where any will do', async () => {
    run([logs('server', ['ERROR', ''])])
    await world.pass(1000)
    log('server', 'X', 'no level', '')
    await world.pass(minute)
    expect(await read()).toEqual(['server X no level'])
  })

  it('shortens a message of 5 MiB, and takes control characters as they are', async () => {
    run()
    await world.pass(1000)
    log('server', 'X', 'x'.repeat(5 * 2 ** 20))
    log('server', 'X', 'red \u001b[31m and \u202eback\u0000')
    await world.pass(minute)
    const [long, odd] = await world.values(topics.rawServerLogs, 'RawEvent')
    expect(Buffer.byteLength(long?.row ?? '')).toBeLessThan(mostRowBytes)
    expect(JSON.parse(long?.row ?? '')).toMatchObject({ _Shortened: true, Level: 'ERROR', _Queue: 'X' })
    expect((JSON.parse(odd?.row ?? '') as Line).Message).toBe('red \u001b[31m and \u202eback\u0000')
  })

  it('sets a line aside that does not say when it was stored, once', async () => {
    const odd: Velociraptor = {
      ...velociraptor,
      query: (request) =>
        velociraptor.query(
          request.vql.includes('monitoring_logs')
            ? {
                ...request,
                vql: "SELECT 'ERROR' AS Level, 'boom' AS Message, 'server' AS _Client, 'X' AS _Queue FROM scope()",
                env: {},
              }
            : request,
        ),
    }
    log('server', 'X', 'boom')
    run([logs('server')], { velociraptor: odd })
    await world.pass(5 * minute)
    expect(await read()).toEqual([])
    expect((await world.rejects()).map(({ reason }) => reason)).toEqual(['_ts is missing'])
  })
})

describe('what is read', () => {
  it('follows the tables from round to round', async () => {
    server.set({
      artifacts: [{ name: 'X', type: 'SERVER_EVENT' }],
      server_monitoring: { artifacts: ['X'] },
    })
    run()
    await world.pass(1000)
    log('server', 'New', 'not yet')
    await world.pass(5 * minute)
    server.set({ server_monitoring: { artifacts: ['X'], specs: [{ artifact: 'New' }] } })
    log('server', 'New', 'now')
    await world.pass(minute)
    expect(await read()).toEqual(['server New now'])
  })

  it('includes what an artifact said before it was taken out of the table', async () => {
    server.set({ server_monitoring: { artifacts: ['X', 'Z'] } })
    run()
    await world.pass(1000)
    await world.pass(minute)
    log('server', 'X', 'last words')
    server.set({ server_monitoring: { artifacts: ['Z'] } })
    await world.pass(minute)
    expect(await read()).toEqual(['server X last words'])
    log('server', 'X', 'of nobody')
    await world.pass(3 * minute)
    expect(await read()).toHaveLength(1)
  })

  it('includes named sources, and what a definition names anew', async () => {
    server.set({ artifacts: [{ name: 'X', type: 'SERVER_EVENT', sources: [{ name: 'A' }] }] })
    run()
    await world.pass(1000)
    log('server', 'X/A', 'of A')
    log('server', 'X/B', 'of B')
    await world.pass(minute)
    expect(await read()).toEqual(['server X/A of A'])
    server.set({ artifacts: [{ name: 'X', type: 'SERVER_EVENT', sources: [{ name: 'A' }, { name: 'B' }] }] })
    log('server', 'X/B', 'of B again')
    await world.pass(minute)
    expect(await read()).toContain('server X/B of B again')
  })

  it('is an artifact that was deleted all the same, which is said once', async () => {
    server.set({
      artifacts: [
        { name: 'X', type: 'SERVER_EVENT' },
        { name: 'Z', type: 'SERVER_EVENT' },
      ],
      server_monitoring: { artifacts: ['X', 'Z'] },
    })
    run()
    await world.pass(minute)
    server.faults.deleteArtifact('root', 'X')
    log('server', 'X', 'cannot be compiled')
    log('server', 'Z', 'boom')
    await world.pass(5 * minute)
    expect(await read()).toEqual(['server X cannot be compiled', 'server Z boom'])
    expect(world.saidOf('log artifact unknown')).toEqual([
      { name: 'log artifact unknown', org: 'root', queue: 'server logs', artifact: 'X' },
    ])
    expect(world.saidOf('source away')).toEqual([])
  })

  it('is not a client that has vanished, and not one that was silent for long', async () => {
    run([logs('client')])
    await world.pass(1000)
    log('C.1', 'Y', 'gone')
    log('C.2', 'Y', 'here')
    server.faults.deleteClient('root', 'C.1')
    await world.pass(2 * minute)
    expect(await readOfClients()).toEqual(['C.2 Y here'])
    expect(world.saidOf('source away')).toEqual([])
  })
})

describe('rounds', () => {
  /** Counts queries that are under way. */
  const counting = (): {
    readonly velociraptor: Velociraptor
    readonly most: () => number
    readonly vqls: string[]
  } => {
    let open = 0
    let most = 0
    const vqls: string[] = []
    return {
      most: () => most,
      vqls,
      velociraptor: {
        ...velociraptor,
        query: (request) =>
          new Observable((subscriber) => {
            vqls.push(request.vql)
            most = Math.max(most, ++open)
            subscriber.add(() => open--)
            return velociraptor.query(request).subscribe(subscriber)
          }),
      },
    }
  }

  it('ask one query for all lines of all clients, however many there are', async () => {
    server.set({ clients: Array.from({ length: 500 }, (_, n) => ({ client_id: `C.${n}` })) })
    const counted = counting()
    run([logs('client')], { velociraptor: counted.velociraptor })
    await world.pass(1000)
    for (let n = 0; n < 500; n++) log(`C.${n}`, 'Y', `of ${n}`)
    counted.vqls.length = 0
    await world.pass(minute)
    expect(await readOfClients()).toHaveLength(500)
    expect(counted.vqls).toHaveLength(3)
  })

  it('read what has gathered for long some clients at a time, each line once, with the labels that clients have', async () => {
    const clients = Array.from({ length: 250 }, (_, n) => ({
      client_id: `C.${n}`,
      labels: n % 2 === 0 ? ['even'] : [],
    }))
    server.set({
      clients,
      client_monitoring: {
        artifacts: { artifacts: ['Y'] },
        label_events: [{ label: 'even', artifacts: { artifacts: ['Even'] } }],
      },
    })
    const first = run([logs('client')])
    await world.pass(minute)
    first.stop()
    await world.reopen()
    for (let n = 0; n < 250; n++) {
      log(`C.${n}`, 'Y', `of ${n}`)
      log(`C.${n}`, 'Even', `even ${n}`)
    }
    await world.pass(60 * minute)
    const counted = counting()
    run([logs('client')], { velociraptor: counted.velociraptor })
    await world.pass(5 * minute)
    const lines = await readOfClients()
    expect(lines).toHaveLength(250 + 125)
    expect(new Set(lines).size).toBe(250 + 125)
    expect(counted.vqls.filter((vql) => vql.includes('data=Clients'))).toHaveLength(3)
  })

  it('bring the lines of all clients in the order of their storing, and leave for the next what is stored meanwhile', async () => {
    server.set({ clients: Array.from({ length: 20 }, (_, n) => ({ client_id: `C.${n}` })) })
    run([logs('client')])
    await world.pass(10_000)
    for (let n = 19; n >= 0; n--) {
      log(`C.${n}`, 'Y', `of ${n}`)
      await world.pass(1000)
    }
    await world.pass(minute)
    expect(await readOfClients()).toEqual(Array.from({ length: 20 }, (_, n) => `C.${19 - n} Y of ${19 - n}`))
    const [table] = world.saidOf('log round').slice(-1)
    expect(table).toMatchObject({ kept: 20 })
    server.log('root', 'C.1', 'Y', { level: 'ERROR', message: 'of the future' }, world.clock.now() + 3 * minute)
    await world.pass(2 * minute)
    expect(await readOfClients()).toHaveLength(20)
    await world.pass(3 * minute)
    expect(await readOfClients()).toHaveLength(21)
  })

  it('ask at most two queries at a time, of however many organisations', async () => {
    const orgs = ['root', 'O1', 'O2', 'O3']
    server.set({ orgs: orgs.slice(1).map((id) => ({ id })) })
    server.set({ users: orgs.map((org_id) => ({ name: 'connector', org_id, roles: ['api'] })) })
    server.faults.lookupsSlow(500)
    const counted = counting()
    run([logs('server'), logs('client')], { velociraptor: counted.velociraptor, orgs })
    await world.pass(30_000)
    for (const org of orgs) log('server', 'X', `of ${org}`, 'ERROR', org)
    await world.pass(3 * minute)
    expect(await read()).toHaveLength(4)
    expect(counted.most()).toBe(2)
  })

  it('come later when they take long, which is said once, and so is its end', async () => {
    server.faults.lookupsSlow(25_000)
    run()
    await world.pass(10 * minute)
    log('server', 'X', 'boom')
    await world.pass(5 * minute)
    expect(await read()).toEqual(['server X boom'])
    expect(world.saidOf('log rounds stretched')).toMatchObject([
      { org: 'root', queue: 'server logs', took_ms: expect.any(Number) as number, period_ms: minute },
    ])
    expect(Number(world.saidOf('log round').at(-1)?.['took_ms'])).toBeGreaterThan(minute / 2)
    server.faults.heal()
    await world.pass(5 * minute)
    expect(world.saidOf('log rounds in time')).toHaveLength(1)
    expect(world.saidOf('log rounds stretched')).toHaveLength(1)
  })

  it('go on after an outage, which is said once, from where they were', async () => {
    run()
    await world.pass(minute)
    server.faults.refuse({ untilMs: world.clock.now() + 20 * minute })
    log('server', 'X', 'meanwhile')
    await world.pass(25 * minute)
    expect(await read()).toEqual(['server X meanwhile'])
    expect(world.saidOf('source away')).toHaveLength(1)
    expect(world.saidOf('source back')).toHaveLength(1)
  })

  it('give up a reading that hangs, and wait longer for the next', async () => {
    run()
    await world.pass(90_000)
    server.faults.freeze()
    log('server', 'X', 'boom')
    await world.pass(15 * minute)
    expect(world.saidOf('source away')).toHaveLength(1)
    server.faults.thaw()
    await world.pass(30 * minute)
    expect(await read()).toEqual(['server X boom'])
  })

  it('end the stage when a permission is taken away, and say which', async () => {
    const running = run()
    await world.pass(minute)
    server.faults.revoke('root', 'READ_RESULTS')
    await world.pass(2 * minute)
    expect(running.failure()).toMatchObject({ code: 'VELOCIRAPTOR_DENIED' })
    expect(String(running.failure())).toContain('READ_RESULTS')
  })

  it('take a changed period and other tables from the next one on', async () => {
    const sources = new BehaviorSubject<readonly QueueSource[]>([logs('server')])
    run([], { sources })
    await world.pass(1000)
    sources.next([logs('server', ['ERROR', 'WARN'], 10_000)])
    log('server', 'X', 'careful', 'WARN')
    await world.pass(minute)
    expect(await read()).toEqual(['server X careful'])
    world.told.length = 0
    await world.pass(minute)
    expect(world.saidOf('log round')).toHaveLength(6)
  })
})
