import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse, stringify } from 'yaml'
import { type MailCatcher, openCatcher, saveMail } from '../../connectors/mail/catcher.ts'
import { startStandIn, type StandIn } from '../../connectors/velociraptor/stand-in/server.ts'
import { createWorld, type StandInWorld, type WorldDescription } from '../../connectors/velociraptor/stand-in/world.ts'
import type { Clock } from '../../schemas/time.ts'

const recordingFile = new URL('recording.yaml', import.meta.url)

/** An event of the recording. */
export interface RecordedEvent {
  /** `T+…`: after the moment of playing. */
  readonly at: string
  readonly queue: string
  readonly row: Readonly<Record<string, unknown>>
}

interface Recording {
  readonly world: WorldDescription
  readonly monitors: readonly unknown[]
  readonly timeline: readonly RecordedEvent[]
}

/** Everything outside of the relay that the demo needs, on loopback and in a folder of its own. */
export interface DemoWorld {
  /** The relay.yaml to run. */
  readonly configFile: string
  readonly world: StandInWorld
  readonly timeline: readonly RecordedEvent[]
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
  const { world: description, monitors, timeline } = parse(readFileSync(recordingFile, 'utf8')) as Recording
  const dir = mkdtempSync(join(tmpdir(), 'raptor-relay-demo-'))
  const world = createWorld({ ...description, now: clock.now() })
  const standIn = await startStandIn({ world, clock, port: 0, dir })
  const catcher = await openMailCatcher(outputDir, onMail)
  const configFile = join(dir, 'relay.yaml')
  writeFileSync(configFile, configurationText(standIn, catcher, monitors), { mode: 0o600 })
  return {
    configFile,
    world,
    timeline,
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

const configurationText = ({ apiConfig }: StandIn, { host, port }: MailCatcher, monitors: readonly unknown[]): string =>
  stringify({
    velociraptor: { api_config: apiConfig, gui_url: 'https://velociraptor.example.org/app/index.html' },
    mail: { url: `smtp://${host}:${port}`, tls: 'off', from: 'Velociraptor <velociraptor@example.org>' },
    log: { embedded: { dir: './relay-data' } },
    monitors,
  })
