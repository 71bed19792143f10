import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse, stringify } from 'yaml'
import { openCatcher, type MailCatcher } from '../../../../connectors/mail/catcher.ts'
import { javaTools } from '../../../broker/java-tools.ts'
import { sharedBroker } from '../../../broker/shared-broker.ts'
import { withTestAdmin } from '../../../connectors/log/kafka/kafka-harness.ts'
import { composeLoader, composeProject, root, type ComposeService } from '../compose-file.ts'

const brokers = await sharedBroker()
const binary = await composeLoader()
const tools = await javaTools()
const patience = 90_000
const stages = ['collect', 'enrich', 'decide', 'deliver']

describe.skipIf(brokers === null || binary === null)('the commands of docker-compose.yml, as plain processes', () => {
  const prefix = `test-${randomUUID().slice(0, 8)}.`
  const dir = mkdtempSync(join(tmpdir(), 'relay-compose-'))
  let services: Readonly<Record<string, ComposeService>> = {}
  let standInPort = ''
  let catcher: MailCatcher
  let mails = 0
  const children: ChildProcess[] = []

  /** What stands for something inside of a container. */
  const here = (word: string): string =>
    word
      .replace('/app/', `${root}/`)
      // Containers have an address each, processes share one.
      .replace('0.0.0.0:9464', '127.0.0.1:0')
      .replace('0.0.0.0', '127.0.0.1')
      .replace('=velociraptor', '=127.0.0.1')
      .replace('8001', standInPort)
      .replace('localhost:9092', brokers?.[0] ?? '')
      .replace(/^node$/, process.execPath)
      .replace(/^\/run\//, `${dir}/run/`)
      .replace('/srv/velociraptor', `${dir}/srv`)

  const service = (name: string): ComposeService => {
    const found = services[name]
    if (found === undefined) throw new Error(`no service ${name}`)
    return found
  }

  const start = (name: string): { readonly child: ChildProcess; readonly said: string[] } => {
    const { entrypoint, command } = service(name)
    const [program = '', ...args] = [
      ...(entrypoint ?? [process.execPath, join(root, 'pipeline/cli/relay.js')]),
      ...(command ?? []),
    ].map(here)
    const child = spawn(program, args, { cwd: dir, stdio: ['ignore', 'pipe', 'pipe'] })
    children.push(child)
    const said: string[] = []
    for (const stream of [child.stdout, child.stderr])
      createInterface({ input: stream }).on('line', (line) => void said.push(line))
    return { child, said }
  }
  const eventually = async (is: () => boolean | Promise<boolean>, what: () => string): Promise<void> => {
    const deadline = performance.now() + patience
    while (!(await is())) {
      if (performance.now() > deadline) throw new Error(what())
      await setTimeout(100)
    }
  }
  const exitOf = async (child: ChildProcess): Promise<number | null> => {
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    return child.exitCode
  }
  const isHealthy = (name: string, address = ''): Promise<boolean> => {
    const [kind, program = '', ...args] = (service(name).healthcheck?.test ?? [])
      .map(here)
      .map((word) => word.replace('127.0.0.1:9464', address))
    expect(kind).toBe('CMD')
    return new Promise((resolve) => void execFile(program, args, (failure) => resolve(failure === null)))
  }

  beforeAll(async () => {
    services = {
      ...(await composeProject(binary ?? '')).services,
      ...(await composeProject(binary ?? '', 'real')).services,
    }
    catcher = await openCatcher({ onMail: () => void mails++ })
    for (const name of ['run', 'srv', 'state']) mkdirSync(join(dir, name))
    const text = readFileSync(join(root, 'pipeline/container/relay.yaml'), 'utf8')
    const substituted = [
      ['mailpit:1025', `${catcher.host}:${catcher.port}`],
      ['[kafka:9092]', `[${(brokers ?? []).join(', ')}]`],
      ['/srv/velociraptor', join(dir, 'srv')],
      ['/var/lib/relay', join(dir, 'state')],
    ].reduce((changed, [from = '', to = '']) => {
      expect(changed).toContain(from)
      return changed.replace(from, to)
    }, text)
    const written = parse(substituted) as { log: { kafka: object } }
    // The broker is shared, and slower than one of its own.
    const log = { kafka: { ...written.log.kafka, prefix, partitions: 3 } }
    writeFileSync(join(dir, 'relay.yaml'), stringify({ ...written, log }), { mode: 0o600 })
  })
  afterAll(async () => {
    for (const child of children) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
    await catcher.close()
    rmSync(dir, { recursive: true, force: true })
    await withTestAdmin(brokers ?? [], async (admin) => {
      const names = (await admin.listTopics()).filter((name) => name.startsWith(prefix))
      if (names.length > 0) await admin.deleteTopics({ topics: names })
    })
  })

  it('deliver letters about what the stand-in server plays, and end in time when they are told to', async () => {
    standInPort = '0'
    const standIn = start('velociraptor')
    const address = (): string => /listening on 127\.0\.0\.1:(\d+)/.exec(standIn.said.join('\n'))?.[1] ?? ''
    await eventually(
      () => address() !== '',
      () => standIn.said.join('\n'),
    )
    standInPort = address()
    expect(await isHealthy('velociraptor')).toBe(true)

    const topics = start('topics')
    expect(await exitOf(topics.child), topics.said.join('\n')).toBe(0)
    const running = stages.flatMap((name) =>
      Array.from({ length: service(name).deploy?.replicas ?? 1 }, () => start(name)),
    )
    const all = (): string => running.map(({ said }) => said.slice(-5).join('\n')).join('\n\n')
    await eventually(() => mails >= 3, all)
    const listening = running.map(({ said }) => said.find((line) => line.includes('http listening')) ?? '{}')
    const addresses = listening.map((line) => String((JSON.parse(line) as { address?: string }).address))
    expect(await isHealthy('decide', addresses.at(-1))).toBe(true)
    for (const { child } of running) child.kill('SIGTERM')
    const codes = running.map(({ child }) => exitOf(child))
    expect(await Promise.all(codes), all()).toEqual(running.map(() => 0))
    expect(await isHealthy('decide', addresses.at(-1))).toBe(false)
    for (const { said } of running)
      expect(JSON.parse(said.at(-1) ?? '')).toMatchObject({ msg: 'relay stopped', in_time: true })

    standIn.child.kill('SIGTERM')
    expect(await exitOf(standIn.child)).toBe(0)
    expect(await isHealthy('velociraptor')).toBe(false)
  }, 180_000)

  it('hand the user’s API file over with its mode', async () => {
    writeFileSync(join(dir, 'run/api.config.yaml'), 'name: relay\n', { mode: 0o600 })
    const own = process.getuid?.() === 0 ? '1000' : String(process.getuid?.())
    const { entrypoint, command } = service('api-config')
    const [program = '', ...args] = [...(entrypoint ?? []), ...(command ?? [])]
      .map(here)
      .map((word) => word.replace('=1000', `=${own}`))
    await new Promise((resolve) => void execFile(program, args, resolve))
    const { mode, uid } = statSync(join(dir, 'srv/api.config.yaml'))
    expect({ mode: mode & 0o777, uid }).toEqual({ mode: 0o600, uid: Number(own) })
  })

  it.skipIf(tools === null)('find a broker that answers healthy, and none that does not', async () => {
    const [, program = '', ...args] = service('kafka').healthcheck?.test ?? []
    const healthy = await tools?.run(basename(program), ...args.map(here))
    expect(healthy?.code, healthy?.err).toBe(0)
    const gone = args.map((word) => word.replace('localhost:9092', '127.0.0.1:1'))
    expect((await tools?.run(basename(program), ...gone))?.code).not.toBe(0)
  })

  it.skipIf(tools === null)('set only what a broker reads', async () => {
    const setting = Object.entries(services).flatMap(([name, { environment = {} }]) =>
      Object.keys(environment).length > 0 ? [name] : [],
    )
    expect(setting).toEqual(['kafka'])
    const written = join(dir, 'kafka')
    for (const name of ['given', 'mounted', 'final']) mkdirSync(join(written, name), { recursive: true })
    for (const name of ['server.properties', 'log4j2.yaml', 'tools-log4j2.yaml'])
      writeFileSync(join(written, 'given', name), '')
    const { KAFKA_LOG_DIRS: place, ...environment } = service('kafka').environment ?? {}
    expect(place).toBe('/var/lib/kafka/data')
    const env = { ...environment, KAFKA_LOG_DIRS: join(written, 'data'), CLUSTER_ID: '5L6g3nShT-eMCtK--X86sw' }
    // What the image runs at its start: it makes a configuration of the variables, and a storage that fits it.
    const made = await tools?.runBroker(
      'kafka.docker.KafkaDockerWrapper',
      ['setup', '-D', join(written, 'given'), '-M', join(written, 'mounted'), '-F', join(written, 'final')],
      env,
    )
    expect(made?.code, made?.err).toBe(0)
    const lines = readFileSync(join(written, 'final/server.properties'), 'utf8').split('\n')
    const names = lines.filter((line) => line.includes('=')).map((line) => line.slice(0, line.indexOf('=')))
    const documented = (await tools?.runBroker('kafka.server.KafkaConfig', []))?.out ?? ''
    expect(names.length).toBeGreaterThan(10)
    expect(names.filter((name) => !documented.includes(`id="brokerconfigs_${name}"`))).toEqual([])
    // The heap is for the scripts, which the wrapper knows; everything else is a property.
    const asProperty = (name: string): string => name.replace('KAFKA_', '').toLowerCase().replaceAll('_', '.')
    const others = Object.keys(env).filter((name) => !['CLUSTER_ID', 'KAFKA_HEAP_OPTS'].includes(name))
    expect(names.sort()).toEqual(others.map(asProperty).sort())
  })
})
