import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { linksTo } from '../../../pipeline/letters/links.ts'

const GUI = 'https://velociraptor.example.org/app/index.html'
const LINES = readFileSync(new URL('../../fixtures/links.jsonl', import.meta.url), 'utf8')
  .trim()
  .split('\n')

interface RecordedPages {
  readonly client_raw: string
  readonly flow_logs: string
  readonly hunt: string
  readonly artifact: string
  readonly odd: string
}
interface RecordedUpload {
  readonly upload_as_in_mail: string
  readonly Upload: { readonly Path: string; readonly Components: readonly string[] }
}

function recorded<T>(line: number): T {
  return JSON.parse(LINES[line] ?? '') as T
}

// Every code point, lone surrogates too.
const anyText = fc.array(fc.nat(0x10ffff), { maxLength: 30 }).map((points) => String.fromCodePoint(...points))

describe('linksTo', () => {
  const links = linksTo(GUI, 'root')

  it('makes the links that the server makes', () => {
    const pages = recorded<RecordedPages>(0)
    expect(links.client('C.767615d8f149828a')).toBe(pages.client_raw)
    expect(links.flow('C.767615d8f149828a', 'F.DC2KSCCS9M84C')).toBe(pages.flow_logs)
    expect(`[H.DC2KUBE2CFMK8](${links.hunt('H.DC2KUBE2CFMK8')})`).toBe(pages.hunt)
    expect(links.artifact('Lab.Client.Rows')).toBe(pages.artifact)
    expect(links.artifact('Odd/Na me?&#')).toBe(pages.odd)
  })

  it.each([1, 2])('makes the download links of recorded mails (line %d)', (line) => {
    const { upload_as_in_mail, Upload } = recorded<RecordedUpload>(line)
    expect(links.upload(Upload.Components, Upload.Path)).toBe(upload_as_in_mail)
  })

  it('RD-36 names the organisation in every link', () => {
    const lab = linksTo(GUI, 'O123')
    expect(lab.client('C.1')).toBe(`${GUI}?org_id=O123#/host/C.1`)
    expect(lab.upload(['a b'], '/a b')).toBe(
      'https://velociraptor.example.org/api/v1/DownloadVFSFile?fs_components=a+b&org_id=O123&vfs_path=%2Fa+b',
    )
  })

  it.each([
    ['http://gui.example.org:8889/app/index.html', 'http://gui.example.org:8889/api/v1/DownloadVFSFile?'],
    ['https://gui.example.org/base/app/index.html', 'https://gui.example.org/base/api/v1/DownloadVFSFile?'],
    ['https://gui.example.org/base/', 'https://gui.example.org/base/api/v1/DownloadVFSFile?'],
    ['https://gui.example.org', 'https://gui.example.org/api/v1/DownloadVFSFile?'],
  ])('finds the base path of %s', (gui, download) => {
    expect(linksTo(gui, 'root').upload([], '')).toBe(`${download}org_id=root&vfs_path=`)
  })

  it('drops credentials, query and fragment of the configured address', () => {
    const address = 'https://user:secret@gui.example.org/app/index.html?org_id=x#/dashboard'
    expect(linksTo(address, 'root').client('C.1')).toBe('https://gui.example.org/app/index.html?org_id=root#/host/C.1')
  })

  it.each(['javascript:alert(1)', 'file:///etc/hosts', 'data:text/html,x'])('refuses %s', (gui) => {
    expect(() => linksTo(gui, 'root')).toThrow(RangeError)
  })

  it('is a plain web address whatever the names hold', () => {
    fc.assert(
      fc.property(anyText, anyText, (one, other) => {
        for (const url of [
          links.client(one),
          links.flow(one, other),
          links.artifact(one),
          links.upload([one], other),
        ]) {
          expect(url).toMatch(/^https:\/\/velociraptor\.example\.org\/[A-Za-z0-9\-_.~%/?=#&+]*$/)
        }
      }),
    )
  })

  it('gives up on a part rather than make an address that no program carries', () => {
    expect(links.upload(['x'.repeat(4_000)], '/'.padEnd(4_000, 'x'))).toBeNull()
    expect(links.artifact('x'.repeat(4_000))).toBe(`${GUI}?org_id=root#/`)
  })
})
