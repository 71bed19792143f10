import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout } from 'node:timers/promises'
import { promisify } from 'node:util'
import { Kafka, logLevel } from 'kafkajs'
import type { Broker, BrokerOptions } from './broker.ts'
import type { KafkaJars } from './kafka-jars.ts'

const run = promisify(execFile)
const startWaitMs = 90_000
const stopWaitMs = 15_000

/** Distinct free ports of the loopback. */
const freePorts = async (count: number): Promise<readonly number[]> => {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, '127.0.0.1')
      await once(server, 'listening')
      return server
    }),
  )
  const ports = servers.map((server) => (server.address() as AddressInfo).port)
  await Promise.all(servers.map((server) => once(server.close(), 'close')))
  return ports
}

interface Node {
  readonly id: number
  readonly config: string
  readonly log: string
  readonly port: number
  child: ChildProcess | undefined
  pid: number
}

const settings = (
  node: { id: number; dir: string; port: number; controllerPort: number; further: readonly string[] },
  voters: string,
  options: BrokerOptions,
): string => {
  const replicas = options.nodes
  const inSync = replicas === 1 ? 1 : 2
  const listeners = [`PLAINTEXT://127.0.0.1:${node.port}`, ...node.further]
  const values: Record<string, string | number> = {
    'process.roles': 'broker,controller',
    'node.id': node.id,
    'controller.quorum.voters': voters,
    listeners: [...listeners, `CONTROLLER://127.0.0.1:${node.controllerPort}`].join(','),
    'advertised.listeners': listeners.join(','),
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT',
    'inter.broker.listener.name': 'PLAINTEXT',
    'log.dirs': join(node.dir, 'data'),
    'offsets.topic.replication.factor': replicas,
    'transaction.state.log.replication.factor': replicas,
    'transaction.state.log.min.isr': inSync,
    'share.coordinator.state.topic.replication.factor': replicas,
    'share.coordinator.state.topic.min.isr': inSync,
    'default.replication.factor': replicas,
    'min.insync.replicas': inSync,
    'offsets.topic.num.partitions': 8,
    'transaction.state.log.num.partitions': 8,
    'share.coordinator.state.topic.num.partitions': 1,
    'group.initial.rebalance.delay.ms': 0,
    'group.min.session.timeout.ms': 1000,
    'broker.session.timeout.ms': 3000,
    'broker.heartbeat.interval.ms': 500,
    'auto.create.topics.enable': 'false',
    'log.cleaner.dedupe.buffer.size': 2_097_152,
    'log.cleaner.backoff.ms': 300,
    'log.segment.bytes': 67_108_864,
    'file.delete.delay.ms': 100,
    'num.network.threads': 2,
    'num.io.threads': 4,
    ...options.settings,
  }
  return Object.entries(values)
    .map(([key, value]) => `${key}=${value}\n`)
    .join('')
}

const javaOptions = (jars: KafkaJars): readonly string[] => [
  '-Xms192m',
  '-Xmx512m',
  '-XX:+UseSerialGC',
  '-XX:TieredStopAtLevel=1',
  `-Dlog4j2.configurationFile=${jars.logging}`,
]

/**
 * Starts the JVM beside a shell that kills it as soon as this process has ended, however it ended: its end of the pipe closes then.
 * Says the JVM's process id.
 */
const startJava = async (log: string, args: readonly string[]): Promise<{ child: ChildProcess; pid: number }> => {
  const guard =
    'exec 3<&0; out=$1; shift; "$@" </dev/null >>"$out" 2>&1 & java=$!; echo $java; ' +
    '{ cat <&3 >/dev/null; kill -KILL $java 2>/dev/null; } & exec 3<&-; wait $java'
  const child = spawn('sh', ['-c', guard, 'sh', log, 'java', ...args], { stdio: ['pipe', 'pipe', 'ignore'] })
  const stdout = child.stdout as NodeJS.ReadableStream
  const [line] = (await once(createInterface({ input: stdout }), 'line')) as [string]
  // Its end must not be waited for when this process wants to end.
  child.unref()
  return { child, pid: Number(line) }
}

/** A broker of the given number of nodes from jars, on free ports of the loopback, in a temporary directory. */
export const startJarBroker = async (jars: KafkaJars, options: BrokerOptions): Promise<Broker> => {
  await makeArchive(jars)
  return startNodes(jars, options, ['-Xshare:auto', `-XX:SharedArchiveFile=${jars.archive}`])
}

/** Once for each machine: the classes as the JVM keeps them, which halves the time of a start. */
const makeArchive = async (jars: KafkaJars): Promise<void> => {
  if (existsSync(jars.archive)) return
  const making = `${jars.archive}.${process.pid}`
  const broker = await startNodes(jars, { nodes: 1 }, [`-XX:ArchiveClassesAtExit=${making}`])
  await broker.stop()
  if (existsSync(making)) renameSync(making, jars.archive)
}

const startNodes = async (jars: KafkaJars, options: BrokerOptions, jvm: readonly string[]): Promise<Broker> => {
  const root = mkdtempSync(join(tmpdir(), 'kafka-'))
  const protocols = options.listeners ?? []
  const ports = [...(await freePorts(options.nodes * (2 + protocols.length)))]
  const port = (): number => ports.pop() as number
  const places = Array.from({ length: options.nodes }, (_, index) => ({
    id: index + 1,
    dir: join(root, String(index + 1)),
    port: port(),
    controllerPort: port(),
    further: protocols.map((protocol) => `${protocol}://127.0.0.1:${port()}`),
  }))
  const voters = places.map(({ id, controllerPort }) => `${id}@127.0.0.1:${controllerPort}`).join(',')
  // One that begins with a dash would be taken for an option.
  const clusterId = `A${Buffer.from(crypto.getRandomValues(new Uint8Array(16)))
    .toString('base64url')
    .slice(1)}`
  const nodes = places.map((place): Node => {
    mkdirSync(place.dir)
    const config = join(place.dir, 'server.properties')
    writeFileSync(config, settings(place, voters, options))
    return { id: place.id, config, log: join(place.dir, 'broker.log'), port: place.port, child: undefined, pid: 0 }
  })
  const java = [...javaOptions(jars), ...jvm, '-cp', jars.classPath]
  await Promise.all(
    nodes.map(({ config }) =>
      run('java', [
        ...javaOptions(jars),
        '-cp',
        jars.classPath,
        'kafka.tools.StorageTool',
        'format',
        '-t',
        clusterId,
        '-c',
        config,
        ...(options.format ?? []),
      ]),
    ),
  )
  const nodeOf = (id: number): Node => {
    const node = nodes[id - 1]
    if (node === undefined) throw new Error(`there is no node ${id}`)
    return node
  }

  const startNode = async (node: Node): Promise<void> => {
    const { child, pid } = await startJava(node.log, [...java, 'kafka.Kafka', node.config])
    Object.assign(node, { child, pid })
    child.once('exit', () => {
      child.stdin?.destroy()
      if (node.child === child) node.child = undefined
    })
  }

  const endNode = async (node: Node, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> => {
    const { child, pid } = node
    if (child === undefined) return
    const exited = once(child, 'exit')
    if (signal === 'SIGKILL') process.kill(pid, 'SIGKILL')
    else {
      process.kill(pid, 'SIGCONT')
      process.kill(pid, 'SIGTERM')
    }
    const isOver = await Promise.race([exited.then(() => true), setTimeout(stopWaitMs, false, { ref: false })])
    if (!isOver) {
      process.kill(pid, 'SIGKILL')
      await exited
    }
  }

  const ready = async (node: Node, wanted: number): Promise<void> => {
    const kafka = new Kafka({
      clientId: 'wait',
      brokers: [`127.0.0.1:${node.port}`],
      logLevel: logLevel.NOTHING,
      connectionTimeout: 1000,
      requestTimeout: 2000,
      retry: { retries: 0 },
    })
    const deadline = performance.now() + startWaitMs
    for (;;) {
      const admin = kafka.admin()
      try {
        await admin.connect()
        const { brokers } = await admin.describeCluster()
        if (brokers.length >= wanted) return
      } catch {
        // Not yet.
      } finally {
        await admin.disconnect().catch(() => undefined)
      }
      if (node.child === undefined || performance.now() > deadline)
        throw new Error(`the broker did not start:\n${readFileSync(node.log, 'utf8').slice(-3000)}`)
      await setTimeout(100)
    }
  }

  const stop = async (): Promise<void> => {
    // All at once: the last one alone would wait for a quorum that is gone.
    await Promise.all(nodes.map((node) => endNode(node, options.nodes === 1 ? 'SIGTERM' : 'SIGKILL')))
    rmSync(root, { recursive: true, force: true })
  }

  try {
    await Promise.all(nodes.map(startNode))
    for (const node of nodes) await ready(node, options.nodes)
  } catch (cause) {
    await stop()
    throw cause
  }
  return {
    brokers: nodes.map(({ port }) => `127.0.0.1:${port}`),
    at: (protocol) =>
      places.flatMap(({ further }) =>
        further.filter((url) => url.startsWith(protocol)).map((url) => url.slice(protocol.length + '://'.length)),
      ),
    kind: 'jars',
    description: `Kafka from jars, ${options.nodes} node(s)`,
    kill: (id = 1) => endNode(nodeOf(id), 'SIGKILL'),
    freeze: (id = 1) => void process.kill(nodeOf(id).pid, 'SIGSTOP'),
    thaw: (id = 1) => void process.kill(nodeOf(id).pid, 'SIGCONT'),
    start: async (id = 1) => {
      await startNode(nodeOf(id))
      await ready(nodeOf(id), 1)
    },
    stop,
  }
}
