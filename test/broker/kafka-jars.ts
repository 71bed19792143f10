import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

const kafkaVersion = '4.3.1'

/** Where Kafka's jars and the class-data archive are. */
export interface KafkaJars {
  readonly classPath: string
  readonly logging: string
  /** May not exist: the JVM then goes on without. */
  readonly archive: string
}

/** What a set of jars is made from, beside a binding: without one, nothing would be logged. */
const pomOf = (artifact: string): string => `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>test</groupId><artifactId>jars</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>${artifact}</artifactId><version>${kafkaVersion}</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>2.25.4</version></dependency>
  </dependencies>
</project>
`
const logging = `status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d %p %c %m%n
rootLogger.level = WARN
rootLogger.appenderRef.console.ref = console
`

const cacheDir = (name: string): string => {
  const base = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache')
  return join(base, 'raptor-relay', `${name}-${kafkaVersion}`)
}

const javaVersion = async (): Promise<number> => {
  // The version is written on standard error.
  const { stderr } = await run('java', ['-version'])
  return Number(/version "(\d+)/.exec(stderr)?.[1] ?? 0)
}

const jarsIn = (dir: string): KafkaJars => ({
  classPath: join(dir, 'libs', '*'),
  logging: join(dir, 'log4j2.properties'),
  archive: join(dir, 'classes.jsa'),
})

/** A broker's jars from the user's cache, or from Maven Central. Rejects when there is no Java 17 or the jars cannot be had. */
export const kafkaJars = (): Promise<KafkaJars> => jarsOf('kafka', 'kafka_2.13')

/** The same for the tools that come with a broker: what its `bin/*.sh` run. */
export const kafkaTools = (): Promise<KafkaJars> => jarsOf('kafka-tools', 'kafka-tools')

const jarsOf = async (name: string, artifact: string): Promise<KafkaJars> => {
  if ((await javaVersion()) < 17) throw new Error('Java 17 or newer is needed')
  const dir = cacheDir(name)
  if (!existsSync(dir)) await fetchJars(dir, artifact)
  return jarsIn(dir)
}

const fetchJars = async (dir: string, artifact: string): Promise<void> => {
  mkdirSync(join(dir, '..'), { recursive: true })
  // Another run may fetch at the same time: what is complete gets its name at once.
  const making = mkdtempSync(`${dir}-`)
  try {
    writeFileSync(join(making, 'pom.xml'), pomOf(artifact))
    writeFileSync(join(making, 'log4j2.properties'), logging)
    const plugin = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies'
    const target = `-DoutputDirectory=${join(making, 'libs')}`
    await run('mvn', ['-q', '-B', '-f', join(making, 'pom.xml'), plugin, '-DincludeScope=runtime', target], {
      timeout: 300_000,
    })
    renameSync(making, dir)
  } catch (cause) {
    rmSync(making, { recursive: true, force: true })
    if (!existsSync(dir)) throw cause
  }
}
