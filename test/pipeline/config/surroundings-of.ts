import type { FileContents, Surroundings } from '../../../pipeline/config/surroundings.ts'

/** A directory /etc/relay with the given files, and an environment. */
export const surroundingsOf = (
  files: Readonly<Record<string, string | FileContents>> = {},
  env: Readonly<Record<string, string>> = {},
): Surroundings => ({
  file: '/etc/relay/relay.yaml',
  env,
  readFile(path) {
    const contents = files[path]
    if (contents === undefined) throw Object.assign(new Error(path), { code: 'ENOENT' })
    return typeof contents === 'string' ? { text: contents, readableByOthers: false } : contents
  },
})
