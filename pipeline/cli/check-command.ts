import { Command } from '@commander-js/extra-typings'
import { printPlainly } from '../config/problem.ts'
import { type Finding, type Findings, openFindings } from '../check/finding.ts'
import { checkLog } from '../check/check-log.ts'
import { checkMail } from '../check/check-mail.ts'
import { checkVelociraptor } from '../check/check-velociraptor.ts'
import { readFiles } from './read-files.ts'

export const checkCommand = () =>
  new Command('check')
    .description(
      'Checks the configuration, then Velociraptor, the log and the mail server: what works, what is missing, what to type.',
    )
    .option('-c, --config <file>', 'the configuration', 'relay.yaml')
    .option('--send-to <address>', 'send a letter to this address through every mail channel')
    .option('--json', 'one JSON object a line')
    .action(async ({ config, sendTo, json }) => {
      process.exitCode = await check(config, sendTo ?? null, openFindings(json === true ? printJson : printLine))
      process.exit()
    })

const marks = { ok: 'ok  ', warning: 'WARN', failure: 'FAIL' }
const printLine = ({ kind, about, text }: Finding): void => console.log(`${marks[kind]}  ${about}: ${text}`)
const printJson = (finding: Finding): void => console.log(JSON.stringify(finding))

const check = async (file: string, sendTo: string | null, findings: Findings): Promise<number> => {
  const { configuration, apiConfig, problems } = readFiles(file)
  for (const problem of problems)
    findings.add(problem.level === 'error' ? 'failure' : 'warning', 'configuration', printPlainly(problem))
  if (configuration === null || apiConfig === null) return 2
  const { monitors, channels } = configuration
  // What trouble: and heartbeat: make is no monitor that somebody wrote.
  const written = monitors.filter((monitor) => !('about' in monitor))
  findings.add('ok', 'configuration', `${file}: ${written.length} monitor(s), ${channels.length} mail channel(s)`)
  await checkVelociraptor(configuration, apiConfig, findings)
  await checkLog(configuration.log, findings)
  await checkMail(configuration, sendTo, findings)
  const { failures, warnings } = findings.count()
  findings.add(failures === 0 ? 'ok' : 'failure', 'check', `${failures} failure(s), ${warnings} warning(s)`)
  return failures === 0 ? 0 : 1
}
