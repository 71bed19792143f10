import { Command } from '@commander-js/extra-typings'
import { auditCommand } from './audit-command.ts'
import { checkCommand } from './check-command.ts'
import { deadCommand } from './dead-command.ts'
import { demoCommand } from './demo-command.ts'
import { importCommand } from './import-command.ts'
import { initCommand } from './init-command.ts'
import { previewCommand } from './preview-command.ts'
import { replayCommand } from './replay-command.ts'
import { runCommand } from './run-command.ts'
import { schemaCommand } from './schema-command.ts'
import { sendMailCommand } from './send-mail-command.ts'
import { simulateCommand } from './simulate-command.ts'
import { statusCommand } from './status-command.ts'
import { endWithReader, systemFailure } from './system-failure.ts'
import { topicsCommand } from './topics-command.ts'
import { testCommand } from './test-command.ts'
import { quietWarnings } from './quiet-warnings.ts'
import { version } from './version.ts'
import { whyCommand } from './why-command.ts'

const testScenarios = () =>
  new Command('test')
    .description('Runs scenarios under a virtual clock, without a network: one line each, the counts last.')
    .argument('<files...>', 'scenario files, or folders of them')
    .option('--json', 'one JSON object a line')
    .action(async (files, { json }) => {
      process.exitCode = await testCommand(files, { json: json === true, print: console.log })
      process.exit()
    })

quietWarnings()

/** Wrong use ends with 2, like a wrong configuration. */
const wrongUse = 2

const program = new Command('relay')
  .description('Tells people what happens on a Velociraptor server, by mail, and loses nothing.')
  .version(version)
  .showHelpAfterError('(relay --help lists the commands)')
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : wrongUse))

for (const command of [
  demoCommand(),
  initCommand(),
  importCommand(),
  runCommand(),
  checkCommand(),
  statusCommand(),
  testScenarios(),
  simulateCommand(),
  schemaCommand(),
  whyCommand(),
  auditCommand(),
  deadCommand(),
  previewCommand(),
  replayCommand(),
  topicsCommand(),
  sendMailCommand(),
]) {
  program.addCommand(command.copyInheritedSettings(program))
  for (const part of command.commands) part.copyInheritedSettings(command)
}

// The service writes its log lines past this stream, whose mere opening changes how a pipe is written to.
program.hook('preAction', (_, command) => {
  if (command.name() !== 'run') process.stdout.on('error', endWithReader)
})
try {
  await program.parseAsync()
} catch (cause) {
  const failure = systemFailure(cause)
  // Anything else is a defect, and shows its place.
  if (failure === null) throw cause
  console.error(failure.text)
  process.exit(failure.code)
}
