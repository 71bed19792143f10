import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'

const main = join(import.meta.dirname, '../../../pipeline/cli/relay.js')

/** What a command came to. */
export interface Ran {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** Runs the relay's command line in a process of its own, which reads a text on its standard input. */
export const feedRelay = async (input: string, ...words: readonly string[]): Promise<Ran> => {
  const child = spawn(process.execPath, [main, ...words], { stdio: 'pipe' })
  // Who does not read ends before all of it is written.
  child.stdin.on('error', () => undefined).end(input)
  const [[code], out, err] = await Promise.all([once(child, 'close'), text(child.stdout), text(child.stderr)])
  return { code: code as number | null, out, err }
}

/** Runs the relay's command line in a process of its own. */
export const runRelay = (...words: readonly string[]): Promise<Ran> => feedRelay('', ...words)

/** Writes a relay.yaml for a log's directory, with the monitor soc and an API configuration that is not there; answers with its path. */
export const writeConfiguration = (dir: string, partitions = 2): string => {
  const file = join(dir, 'relay.yaml')
  writeFileSync(
    file,
    `velociraptor: { api_config: ./none.yaml, gui_url: "https://velociraptor.example.org/app/index.html" }
mail: { url: "smtp://mail.example.org", from: relay@example.org }
log: { embedded: { dir: ., partitions: ${partitions} } }
monitors:
  - { name: soc, artifact: Server.Monitor.FlowCompletion, parameters: { Recipients: [soc@example.org, lead@example.org] } }
  - { name: nobody, artifact: Server.Monitor.FlowCompletion, parameters: { NotifyMetadataEMail: mail } }
`,
    { mode: 0o600 },
  )
  return file
}
