import type { VelociraptorSettings } from './configuration.ts'
import type { Path, Report } from './problem.ts'
import { readRecord } from './record.ts'
import { velociraptorShape } from './relay-shape.ts'
import { absolute } from './surroundings.ts'
import type { Surroundings } from './surroundings.ts'

const guiUrlFault = (written: string): string | null => {
  const url = URL.parse(written)
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:'))
    return 'must be the address of the GUI, such as https://velociraptor.example.org/app/index.html'
  if (url.username !== '' || url.password !== '') return 'must hold no user and no password: it stands in every letter'
  return url.search === '' && url.hash === '' ? null : 'must end before ? and #: the relay adds what follows'
}

/** Reads `velociraptor:`; the API configuration that it names is not opened. null when a needed key is missing or wrong. */
export const readVelociraptor = (
  value: unknown,
  path: Path,
  report: Report,
  surroundings: Surroundings,
): VelociraptorSettings | null => {
  const read = readRecord(velociraptorShape.shape, value, path, report)
  if (read === null) return null
  const fault = read.gui_url === undefined ? null : guiUrlFault(read.gui_url)
  if (fault !== null) report([...path, 'gui_url'], fault)
  if (read.api_config === undefined || read.gui_url === undefined) return null
  return {
    apiConfig: absolute(surroundings, read.api_config),
    guiUrl: read.gui_url,
    serverName: read.server_name ?? null,
    orgs: [...new Set(read.orgs ?? ['root'])],
  }
}
