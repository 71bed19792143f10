import { defaultSecret } from '../monitors/mail-parameters.ts'
import type { Configuration } from './configuration.ts'
import { isRecord } from './is-record.ts'
import { byPosition, pathText, type Problem, type Report } from './problem.ts'
import { readMonitors } from './read-monitors.ts'
import { openYaml } from './yaml-source.ts'

/** `monitors` is null exactly when a problem is an error. */
export interface ReadRules {
  readonly monitors: Configuration['monitors'] | null
  readonly problems: readonly Problem[]
}

/**
 * Reads the `monitors:` of a file as another set of rules for a configuration, whose mail channels they may name, and whose own
 * trouble and heartbeat are told as before; whatever else stands in the file counts for nothing. All problems at once, with line and column.
 */
export const readRules = (
  text: string,
  file: string,
  { channels, monitors: present }: Pick<Configuration, 'channels' | 'monitors'>,
): ReadRules => {
  const { source, problems: syntax } = openYaml(text)
  const problems = syntax.map((problem): Problem => ({ file, path: '', level: 'error', ...problem }))
  if (source === null) return { monitors: null, problems: problems.toSorted(byPosition) }
  const report: Report = (path, message, { level = 'error', at = 'value' } = {}) => {
    problems.push({ file, ...source.positionOf(path, at), path: pathText(path), message, level })
  }
  const { value } = source
  const written = isRecord(value) && Object.hasOwn(value, 'monitors') ? value['monitors'] : undefined
  const names = channels.map(({ name }) => name)
  const monitors = readMonitors(
    written,
    ['monitors'],
    { report, writtenAt: source.writtenAt },
    { channels, names, isSingle: names.length === 1 && names[0] === defaultSecret },
  )
  const isUsable = !problems.some(({ level }) => level === 'error')
  const own = present.filter((monitor) => 'about' in monitor)
  return { monitors: isUsable ? [...monitors, ...own] : null, problems: problems.toSorted(byPosition) }
}
