import { z } from 'zod'
import type { HttpSettings } from './configuration.ts'
import { isRecord } from './is-record.ts'
import type { Path, Report } from './problem.ts'
import { readRecord, readValue } from './record.ts'
import { relayShape } from './relay-shape.ts'

const usual: HttpSettings = { host: '127.0.0.1', port: 9464, isChosen: false }

/** Reads host:port, an IPv6 address in brackets; null when it is none. */
export const parseListen = (text: string): HttpSettings | null => {
  const [, bracketed, plain, port] = /^(?:\[([0-9a-f:.]+)\]|([\w.-]+)):(\d{1,5})$/i.exec(text.trim()) ?? []
  const host = bracketed ?? plain
  return host === undefined || Number(port) > 65_535 ? null : { host, port: Number(port), isChosen: true }
}

/** What is wrong with a text that `parseListen` does not take, and how to write it. */
export const howToListen = 'write host:port, such as 127.0.0.1:9464 or [::1]:9464'

/** Reads `http:`; null: off. Left out, it is a port on loopback that is done without when it is taken. */
export const readHttp = (value: unknown, path: Path, report: Report): HttpSettings | null => {
  if (value === undefined) return usual
  if (!isRecord(value)) {
    readValue(relayShape.shape.http.unwrap(), value, path, report)
    return null
  }
  // A port alone is a number: it is told how to write an address, too.
  const read = readRecord({ listen: z.union([z.string(), z.number()], 'must be text') }, value, path, report)
  if (read?.listen === undefined) return null
  const address = parseListen(String(read.listen))
  if (address === null) report([...path, 'listen'], `is no address to listen at: ${howToListen}`)
  return address
}
