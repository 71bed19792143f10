import { Command } from '@commander-js/extra-typings'
import { checkCommand } from '/work/main/pipeline/cli/check-command.ts'
import { initCommand } from '/work/main/pipeline/cli/init-command.ts'
import { runCommand } from '/work/main/pipeline/cli/run-command.ts'
const program = new Command('relay')
for (const c of [initCommand(), runCommand(), checkCommand()]) program.addCommand(c as never)
await program.parseAsync()
