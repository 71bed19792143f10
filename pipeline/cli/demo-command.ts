import { Command } from '@commander-js/extra-typings'
import { accessSync, constants, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { type Happening, happenings } from '../../schemas/happenings.ts'
import { type DemoWorld, openDemoWorld } from '../demo/demo-world.ts'
import { narrate, type Told } from '../demo/narrator.ts'
import { singleLine } from '../letters/texts.ts'
import { systemClock } from '../runtime/system-clock.ts'
import { startService, stageNames } from '../service.ts'
import { openWorld } from './open-world.ts'
import { printProblems, readFiles } from './read-files.ts'

/** The demo gives up after that; it usually takes half of it. */
const longestMs = 55_000
const lookEveryMs = 200
/** The exit code of what Ctrl-C ended. */
const interrupted = 130

export const demoCommand = () =>
  new Command('demo')
    .description(
      'Shows the whole way with no server: a stand-in Velociraptor, the embedded log, the relay, a mail catcher.',
    )
    .option('-o, --output <folder>', 'where the letters are left', 'demo-out')
    .action(async ({ output }) => {
      process.exitCode = await demo(output)
      process.exit()
    })

/** Makes the folder, and removes what an earlier demo left there, and nothing else. Throws where letters cannot be left in it. */
const openFolder = (dir: string): void => {
  mkdirSync(dir, { recursive: true })
  accessSync(dir, constants.W_OK)
  for (const file of readdirSync(dir)) if (/^\d{3}-.*\.(eml|html)$/.test(file)) rmSync(join(dir, file))
}

const demo = async (outputDir: string): Promise<number> => {
  openFolder(outputDir)
  const clock = systemClock()
  let mails = 0
  const outside = await openDemoWorld({
    clock,
    outputDir,
    onMail({ to, subject }) {
      mails += 1
      console.log(`mail     to ${singleLine(to.join(', '))}: ${singleLine(subject)}`)
    },
  })
  try {
    const told: Told = { events: 0, verdicts: 0, deliveries: 0, notices: 0 }
    const isDone = await relay(outside, told, () => mails)
    if (isDone === null) return interrupted
    console.log(
      `\n${told.events} events, ${told.verdicts} verdicts, ${mails} mails. Open them: ${join(outputDir, '*.html')} (and .eml)`,
    )
    console.log('Your own server next: npx relay init')
    if (!isDone)
      console.error(
        `The demo did not end within ${longestMs / 1000} s: ${told.notices - told.deliveries} letters are missing.`,
      )
    return isDone ? 0 : 1
  } finally {
    await outside.close()
  }
}

/** Runs the relay as in life while the recording is played, until everything is told. Says whether it was; null: somebody stopped it. */
const relay = async ({ configFile, events }: DemoWorld, told: Told, mails: () => number): Promise<boolean | null> => {
  const stopped = new Promise<null>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => resolve(null))
  })
  const { configuration, apiConfig, problems } = readFiles(configFile)
  if (printProblems(problems) || configuration === null || apiConfig === null) return false
  const world = await openWorld(configuration, apiConfig, { tell: sayTrouble })
  const service = await startService(world, { configuration, stages: stageNames, since: null })
  const narration = narrate(world.log, told, console.log).subscribe()
  const start = world.clock.now()
  const isDone = (): boolean => told.events === events && told.deliveries === told.notices && mails() === told.notices
  const waiting = async (): Promise<boolean> => {
    while (!isDone()) {
      if (world.clock.now() - start > longestMs) return false
      await new Promise((resolve) => void world.clock.at(world.clock.now() + lookEveryMs, () => resolve(undefined)))
    }
    return true
  }
  try {
    return await Promise.race([waiting(), service.failed, stopped])
  } finally {
    await service.stop()
    narration.unsubscribe()
    await world.close()
  }
}

const quiet = new Set<Happening['name']>([
  'collect begins',
  'letter delivered',
  'source in sync',
  'source dropped',
  'retention removed records',
])
/** What the demo shows of what the relay says: what has a log line, and is not told by the narrator or usual; null: nothing. */
export const shownOf = ({ name, ...facts }: Happening): string | null =>
  happenings[name] === 'count' || quiet.has(name) ? null : `relay    ${name} ${JSON.stringify(facts)}`

const sayTrouble = (happening: Happening): void => {
  const text = shownOf(happening)
  if (text !== null) console.log(text)
}
