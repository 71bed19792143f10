import type { VelociraptorSettings } from './configuration.ts'
import type { Path, Report } from './problem.ts'
import { readRecord } from './record.ts'
import { velociraptorShape } from './relay-shape.ts'
import { absolute, contentsOf } from './surroundings.ts'
import type { Surroundings } from './surroundings.ts'

const guiUrlFault = (written: string): string | null => {
  const url = URL.parse(written)
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:'))
    return 'must be the address of the GUI, such as https://velociraptor.example.org/app/index.html'
  if (url.username !== '' || url.password !== '') return 'must hold no user and no password: it stands in every letter'
  return url.search === '' && url.hash === '' ? null : 'must end before ? and #: the relay adds what follows'
}

const checkApiConfig = (file: string, path: Path, report: Report, surroundings: Surroundings): void => {
  const contents = contentsOf(surroundings, file)
  if (typeof contents === 'string')
    report(
      path,
      `${contents}: make it on the server with \`velociraptor --config server.config.yaml config api_client --name relay --role api FILE\``,
    )
  else if (contents.readableByOthers)
    report(path, 'others can read the file, which holds a private key: chmod 600 it', { level: 'warning' })
}

/** Reads `velociraptor:`. null when something in it was reported as an error. */
export const readVelociraptor = (
  value: unknown,
  path: Path,
  report: Report,
  surroundings: Surroundings,
): VelociraptorSettings | null => {
  const read = readRecord(velociraptorShape.shape, value, path, report)
  if (read === null) return null
  if (read.api_config !== undefined) checkApiConfig(read.api_config, [...path, 'api_config'], report, surroundings)
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
