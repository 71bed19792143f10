import type { Link } from './letter.ts'

/** Paths of one organisation's pages on the Velociraptor server, ready to be shown; every part is percent-encoded. */
export interface Links {
  client(client: string): string
  /** The flow's log tab. */
  flow(client: string, flow: string): string
  hunt(hunt: string): string
  artifact(name: string): string
  /** Downloads one stored file; null when its path is too long for a request line. */
  upload(components: readonly string[], path: string): string | null
}

// Reverse proxies refuse request lines above 8 kB by default.
const LONGEST_REQUEST = 8_000
// Behind `#` nothing is sent, but a mail program must still carry it; longer names are nobody's.
const LONGEST_PAGE = 2_000
const PLAIN_PART = /^[A-Za-z0-9\-_.~]*$/
const PAGE_FILE = /\/app\/(?:[^/]*)$/

/** The links below the GUI's public address (`https://…/app/index.html`); throws RangeError unless that is http or https. */
export function linksTo(guiUrl: string, org: string): Links {
  const gui = new URL(guiUrl)
  if (gui.protocol !== 'https:' && gui.protocol !== 'http:') {
    throw new RangeError('the address of the Velociraptor GUI must begin with https:// or http://')
  }
  const base = `${gui.origin}${gui.pathname}?org_id=${encodePart(org)}#`
  const page = (...parts: readonly string[]): string => {
    const url = `${base}/${parts.map(encodePart).join('/')}`
    return url.length > LONGEST_PAGE ? `${base}/` : url
  }
  const download = `${gui.origin}${gui.pathname.replace(PAGE_FILE, '').replace(/\/$/, '')}/api/v1/DownloadVFSFile?`
  return {
    client: (client) => page('host', client),
    flow: (client, flow) => page('collected', client, flow, 'logs'),
    hunt: (hunt) => page('hunts', hunt, 'overview'),
    artifact: (name) => page('artifacts', name),
    upload: (components, path) => {
      const query = [
        ...components.map((component) => `fs_components=${encodeQuery(component)}`),
        `org_id=${encodeQuery(org)}`,
        `vfs_path=${encodeQuery(path)}`,
      ]
      const url = download + query.join('&')
      return url.length > LONGEST_REQUEST ? null : url
    },
  }
}

/** A text that leads to a page. */
export function link(text: string, url: string): Link {
  return { kind: 'link', text, url }
}

/** A text as one part of a path: everything but letters, digits and `-_.~` percent-encoded, as the server does it. */
export function encodePart(part: string): string {
  return PLAIN_PART.test(part) ? part : encodeURIComponent(part.toWellFormed()).replaceAll(/[!'()*]/g, percent)
}

function encodeQuery(part: string): string {
  return encodePart(part).replaceAll('%20', '+')
}

function percent(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`
}
