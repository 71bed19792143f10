import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse, stringify } from 'yaml'
import { type MailCatcher, openCatcher, saveMail } from '../../connectors/mail/catcher.ts'
import type { Clock } from '../../schemas/time.ts'
import { printProblem } from '../config/problem.ts'
import { readScenarios } from '../scenarios/read-scenarios.ts'
import { type ServedScenario, serveScenario } from '../scenarios/serve-scenario.ts'

/** The relay needs a moment to start; what happens before it listens is not for it. */
const startMs = 2000

const recordingFile = new URL('recording.yaml', import.meta.url)

/** Everything outside of the relay that the demo needs, on loopback and in a folder of its own. */
export interface DemoWorld {
  /** The relay.yaml to run. */
  readonly configFile: string
  /** Events that the server plays. */
  readonly events: number
  close(): Promise<void>
}

export interface DemoWorldOptions {
  readonly clock: Clock
  /** Where the letters are left. */
  readonly outputDir: string
  readonly onMail: (mail: { readonly to: readonly string[]; readonly eml: string; readonly subject: string }) => void
}

/** Starts the stand-in server and the mail catcher, and writes the configuration that leads to both. */
export const openDemoWorld = async ({ clock, outputDir, onMail }: DemoWorldOptions): Promise<DemoWorld> => {
  const text = readFileSync(recordingFile, 'utf8')
  const { scenarios, problems } = readScenarios(text, fileURLToPath(recordingFile), { now: clock.now() + startMs })
  const [recording] = scenarios
  if (recording === undefined || problems.length > 0) throw new Error(problems.map(printProblem).join('\n'))
  const { monitors } = parse(text) as { readonly monitors: readonly unknown[] }
  const dir = mkdtempSync(join(tmpdir(), 'raptor-relay-demo-'))
  const standIn = await serveScenario(recording, { clock, port: 0, dir })
  const catcher = await openMailCatcher(outputDir, onMail)
  const configFile = join(dir, 'relay.yaml')
  writeFileSync(configFile, configurationText(standIn, catcher, monitors), { mode: 0o600 })
  return {
    configFile,
    events: recording.timeline.length,
    async close() {
      await catcher.close()
      await standIn.close()
      rmSync(dir, { recursive: true, force: true })
    },
  }
}

const openMailCatcher = (outputDir: string, onMail: DemoWorldOptions['onMail']): Promise<MailCatcher> => {
  let caught = 0
  return openCatcher({
    async onMail({ to, raw }) {
      caught += 1
      const { eml, subject } = await saveMail(outputDir, raw, caught)
      onMail({ to, eml, subject })
    },
  })
}

const configurationText = (
  { apiConfig }: ServedScenario,
  { host, port }: MailCatcher,
  monitors: readonly unknown[],
): string =>
  stringify({
    velociraptor: { api_config: apiConfig, gui_url: 'https://velociraptor.example.org/app/index.html' },
    mail: { url: `smtp://${host}:${port}`, tls: 'off', from: 'Velociraptor <velociraptor@example.org>' },
    log: { embedded: { dir: './relay-data' } },
    monitors,
  })
