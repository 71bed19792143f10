import { Command, InvalidArgumentError } from '@commander-js/extra-typings'
import Table from 'cli-table3'
import { z } from 'zod'
import type { HttpSettings } from '../config/configuration.ts'
import { howToListen, parseListen } from '../config/read-http.ts'
import { singleLine } from '../letters/texts.ts'
import { printProblems, readFilesForQuestions } from './read-files.ts'

const answerWithinMs = 5000

const hindrance = z.object({ what: z.string(), reason: z.string() })
const statusShape = z.object({
  ok: z.boolean(),
  missing: z.array(hindrance),
  away: z.array(hindrance),
  queues: z.array(
    z.object({
      org: z.string(),
      queue: z.string(),
      state: z.enum(['live', 'backfilling', 'away']),
      percent: z.number().nullable(),
      behind_ms: z.number(),
      gaps_repaired: z.number(),
      live_only: z.boolean().default(false),
      unheard_ms: z.number().default(0),
      text: z.string(),
    }),
  ),
})
type Status = z.infer<typeof statusShape>

export const statusCommand = () =>
  new Command('status')
    .description(
      'Asks the running service how far each event queue has been read, and what is away (exit code 1: it is not ready, or not all is live).',
    )
    .option('-c, --config <file>', 'the configuration', 'relay.yaml')
    .option('--at <host:port>', 'where the service listens, instead of what the configuration says', parseAt)
    .option('--json', 'one JSON object')
    .action(async ({ config, at, json }) => {
      process.exitCode = await status(at ?? listeningOf(config), json === true)
      process.exit()
    })

const parseAt = (text: string): HttpSettings => {
  const address = parseListen(text)
  if (address === null) throw new InvalidArgumentError(`It is no address: ${howToListen}.`)
  return address
}

/** Where the configuration has the service listen; null when it cannot be known, which has been said. */
const listeningOf = (file: string): HttpSettings | null => {
  const { configuration, problems } = readFilesForQuestions(file)
  if (configuration === null) {
    printProblems(problems)
    return null
  }
  if (configuration.http === null)
    console.error('http is off in this configuration, so the service cannot be asked: say where it listens with --at')
  return configuration.http
}

const status = async (where: HttpSettings | null, asJson: boolean): Promise<number> => {
  if (where === null) return 2
  const { host, port } = where
  const address = `${host.includes(':') ? `[${host}]` : host}:${port}`
  const found = await ask(`http://${address}/readyz`)
  if (typeof found === 'string') {
    console.error(`${address}: ${found}`)
    return 1
  }
  console.log(asJson ? JSON.stringify(found) : statusText(found))
  return found.ok && found.queues.every(({ state }) => state === 'live') ? 0 : 1
}

/** What the service says, or why it cannot be asked. */
const ask = async (url: string): Promise<Status | string> => {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(answerWithinMs) })
    const read = statusShape.safeParse(await answer.json())
    return read.success ? read.data : 'what answers there is no relay of this version'
  } catch (cause) {
    if (cause instanceof SyntaxError) return 'what answers there is no relay of this version'
    return 'no relay answers: is relay run running, and does it listen there (http: { listen: }, --listen)?'
  }
}

const statusText = ({ ok, missing, away, queues }: Status): string => {
  const table = new Table({ head: ['organisation', 'queue', 'state'], style: { head: [], border: [] } })
  for (const { org, queue, text } of queues) table.push([org, queue, text].map(singleLine))
  const lines = (title: string, of: readonly { what: string; reason: string }[]): readonly string[] =>
    of.map(({ what, reason }) => singleLine(`${title}: ${what}: ${reason}`))
  return [
    ok ? 'ready' : 'not ready',
    ...lines('missing', missing),
    ...lines('away', away),
    queues.length === 0 ? 'no queue is read by this process' : table.toString(),
  ].join('\n')
}
