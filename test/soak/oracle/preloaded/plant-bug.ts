/** Preloaded into a relay: its log has the planted bug that RELAY_SOAK_BUG names. */
import { registerHooks } from 'node:module'

const planted = new URL('planted-logs.ts', import.meta.url).href
const isLog = (url: string): boolean => /\/connectors\/log\/(embedded|kafka)-log\.ts$/.test(url)

registerHooks({
  resolve(specifier, context, next) {
    const found = next(specifier, context)
    return isLog(found.url) && context.parentURL !== planted ? { ...found, url: planted } : found
  },
})
