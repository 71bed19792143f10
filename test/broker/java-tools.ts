import { execFile } from 'node:child_process'
import { kafkaJars, kafkaTools, type KafkaJars } from './kafka-jars.ts'

const whyNot = "not run: Kafka's own tools (need Java 17 and Maven)"

/** What a program of Kafka's said, and how it ended. */
export interface ToolEnd {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** Programs that come with Kafka, by the names of their files in its folder `bin`. */
export interface JavaTools {
  run(script: string, ...args: readonly string[]): Promise<ToolEnd>
  /** A class of the broker's own jars. */
  runBroker(main: string, args: readonly string[], env?: Readonly<Record<string, string>>): Promise<ToolEnd>
}

const tools = 'org.apache.kafka.tools'
const mains: Readonly<Record<string, string>> = {
  'kafka-broker-api-versions.sh': `${tools}.BrokerApiVersionsCommand`,
  'kafka-console-consumer.sh': `${tools}.consumer.ConsoleConsumer`,
  'kafka-consumer-groups.sh': `${tools}.consumer.group.ConsumerGroupCommand`,
  'kafka-topics.sh': `${tools}.TopicCommand`,
}

/** Kafka's tools; null, and said, where they cannot be had. In CI that is a failure. */
export const javaTools = async (): Promise<JavaTools | null> => {
  try {
    const [broker, own] = await Promise.all([kafkaJars(), kafkaTools()])
    return {
      run: (script, ...args) => {
        const main = mains[script]
        if (main === undefined) throw new Error(`no tool of Kafka's is known here as ${script}`)
        return java(own, main, args, {})
      },
      runBroker: (main, args, env = {}) => java(broker, main, args, env),
    }
  } catch (cause) {
    if (process.env['CI'] !== undefined) throw new Error(whyNot, { cause })
    console.log(whyNot)
    return null
  }
}

const java = (
  { classPath, logging }: KafkaJars,
  main: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<ToolEnd> =>
  new Promise((resolve) => {
    const options = ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', `-Dlog4j2.configurationFile=${logging}`]
    execFile(
      'java',
      [...options, '-cp', classPath, main, ...args],
      { env: { ...process.env, ...env }, timeout: 60_000, maxBuffer: 2 ** 26 },
      (failure, out, err) => {
        const code = failure === null ? 0 : failure.code
        resolve({ code: typeof code === 'number' ? code : -1, out, err })
      },
    )
  })
