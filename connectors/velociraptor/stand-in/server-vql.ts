import type { Ground } from './ground.ts'
import { serverFunctions, type Knows } from './server-functions.ts'
import { serverPlugins } from './server-plugins.ts'
import { plainFunctions } from './vql/functions.ts'
import { plainPlugins } from './vql/plugins.ts'
import type { Plugin, Signature, VqlFunction } from './vql/session.ts'
import { fromPlain, type Value } from './vql/values.ts'

/** The functions of a query in this organisation, by name. */
export const functionsOn = (ground: Ground): ReadonlyMap<string, VqlFunction> =>
  new Map(
    Object.entries({ ...plainFunctions, ...forbiddenFunctions, ...serverFunctions(ground, knowsOn(ground)) }).filter(
      ([name]) => !(name === 'user_message' && ground.world.keepsUnderServer),
    ),
  )

/** The plugins of a query in this organisation, by name. */
export const pluginsOn = (ground: Ground): ReadonlyMap<string, Plugin> =>
  new Map(Object.entries({ ...plainPlugins, ...forbiddenPlugins, ...serverPlugins(ground) }))

const knowsOn =
  (ground: Ground): Knows =>
  (kind, name) =>
    (kind === 'plugin' ? pluginsOn(ground) : functionsOn(ground)).has(name)

/** What a query can read by name without asking: the server's configuration. */
export const configValue = ({ world }: Ground): Value =>
  fromPlain({ server_version: { version: world.version, commit: '', build_time: '' } })

const denied = (needs: string, required: readonly string[] = [], optional: readonly string[] = []): Signature => ({
  needs,
  required,
  optional,
})

/** What role `api` may not do; nobody else may here either. */
const forbiddenFunctions: Readonly<Record<string, VqlFunction>> = {
  create_flow_download: { ...denied('PREPARE_RESULTS'), free: true, call: () => null },
  get_flow: { ...denied('COLLECT_CLIENT', ['client_id', 'flow_id']), call: () => null },
  collect_client: { ...denied('COLLECT_CLIENT'), free: true, call: () => null },
}

const forbidden = (needs: string): Plugin => ({ needs, free: true, run: (_, out) => out.done() })

const forbiddenPlugins: Readonly<Record<string, Plugin>> = {
  info: forbidden('MACHINE_STATE'),
  profile: forbidden('MACHINE_STATE'),
  secrets: forbidden('SERVER_ADMIN'),
  logging: forbidden('SERVER_ADMIN'),
}
