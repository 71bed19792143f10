import { Command } from '@commander-js/extra-typings'
import { ConnectorError } from '../../connectors/errors.ts'
import { admitVersions } from '../../connectors/log/kafka/broker-versions.ts'
import { brisk, connectKafka } from '../../connectors/log/kafka/connection.ts'
import { checkTopics, type TopicFinding, withAdmin } from '../../connectors/log/kafka/topic-set.ts'
import { wantedTopics } from '../../connectors/log/kafka-log.ts'
import { allTopics } from '../../schemas/topics.ts'
import type { KafkaLogSettings } from '../config/configuration.ts'
import { singleLine } from '../letters/texts.ts'
import { topologies } from '../topologies.ts'
import { kafkaAccessOf } from '../config/kafka-access.ts'
import { printProblems, readFilesForQuestions } from './read-files.ts'

/** All topics of a log on Kafka with those that hold state: how each is found, or that it was made. Rejects with ConnectorError. */
export const lookAtTopics = async (
  settings: KafkaLogSettings,
  { make }: { readonly make: boolean },
): Promise<readonly TopicFinding[]> => {
  const access = kafkaAccessOf(settings)
  const wanted = wantedTopics({ ...settings, topics: allTopics }, topologies)
  const kafka = connectKafka(access, brisk)
  await admitVersions(kafka, settings.brokers)
  return withAdmin(kafka, { brokers: settings.brokers, deed: 'cannot look at the topics' }, (admin) =>
    checkTopics(admin, wanted, { make }),
  )
}

export const topicsCommand = () =>
  new Command('topics')
    .description(
      'Makes the topics of a log on Kafka where they are missing, and checks those that are there (exit code 1: one is not as it must be).',
    )
    .option('-c, --config <file>', 'the configuration', 'relay.yaml')
    .option('--check', 'make nothing')
    .option('--json', 'one JSON object a line')
    .action(async ({ config, check, json }) => {
      process.exitCode = await topics(config, check !== true, json === true ? JSON.stringify : findingText)
      process.exit()
    })

const findingText = ({ name, is, text }: TopicFinding): string =>
  singleLine(`${is.padEnd(7)}  ${name}${text === undefined ? '' : `: ${text}`}`)

const topics = async (file: string, make: boolean, say: (finding: TopicFinding) => string): Promise<number> => {
  const { configuration, problems } = readFilesForQuestions(file)
  if (configuration === null) {
    printProblems(problems)
    return 2
  }
  const { kafka } = configuration.log
  if (kafka === null) {
    console.error('The log of this configuration is embedded, and makes its topics by itself.')
    return 2
  }
  try {
    const findings = await lookAtTopics(kafka, { make })
    for (const finding of findings) console.log(say(finding))
    return findings.some(({ is }) => is === 'wrong' || is === 'missing') ? 1 : 0
  } catch (cause) {
    if (!(cause instanceof ConnectorError)) throw cause
    console.error(singleLine(cause.message))
    return 1
  }
}
