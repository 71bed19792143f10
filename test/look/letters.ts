/**
 * Renders every kind of letter in Chromium, for looking at: PNGs of 800 and 375 pixels in light and dark, into a new folder below
 * the system's temporary one. Fails when a page shows a fact that the plain text does not state, loads anything, or scrolls
 * sideways on a phone. `--rate` measures letters a second instead.
 *
 *   node test/look/letters.ts [--rate]
 */
import { existsSync } from 'node:fs'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium } from 'playwright-core'
import type { Browser } from 'playwright-core'
import { renderLetter } from '../../pipeline/letters/fit.ts'
import type { RenderedLetter } from '../../pipeline/letters/fit.ts'
import { flowLetter } from '../../pipeline/letters/flow-letter.ts'
import { LETTERS } from '../pipeline/letters/letters.ts'
import { CONTEXT, noticeWith, resultTable, uploadRows } from '../pipeline/letters/notices.ts'
import { collapsed, pageOf } from '../pipeline/letters/page.ts'

const CHROMIUM = process.env['CHROMIUM'] ?? '/usr/bin/chromium'
const RATE_SECONDS = 5

interface Sight {
  /** Lines and cells as the browser shows them. */
  readonly shown: readonly string[]
  readonly elements: number
  readonly sideways: boolean
  readonly requests: readonly string[]
}

async function see(
  browser: Browser,
  rendered: RenderedLetter,
  width: number,
  dark: boolean,
  file: string,
): Promise<Sight> {
  const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme: dark ? 'dark' : 'light' })
  const requests: string[] = []
  page.on('request', (request) => requests.push(request.url()))
  await page.setContent(rendered.html)
  await page.screenshot({ path: file, fullPage: true })
  const shown = await page.locator('body').innerText()
  const elements = await page.locator('body *').count()
  const sideways = await page.evaluate('document.documentElement.scrollWidth > document.documentElement.clientWidth')
  await page.close()
  return { shown: shown.split(/[\n\t]/).map(collapsed), elements, sideways: sideways === true, requests }
}

function complaints(rendered: RenderedLetter, sight: Sight): readonly string[] {
  const said = collapsed(rendered.text)
  const written = pageOf(rendered.html).tags
  const own = written.slice(written.indexOf('body') + 1).filter((tag) => !tag.startsWith('/') && tag !== 'br').length
  return [
    ...sight.shown.filter((fact) => !stated(fact, said)).map((fact) => `not in the text: ${fact}`),
    ...sight.requests.map((url) => `loads ${url}`),
    ...(sight.sideways ? ['scrolls sideways'] : []),
    ...(sight.elements < own ? [`${sight.elements} elements, ${own} written`] : []),
  ]
}

// A line of the page may hold links, and the text says their addresses in between.
function stated(fact: string, said: string): boolean {
  return said.includes(fact) || said.replaceAll(/ \(https?:\/\/[^ )]*\)/g, '').includes(fact)
}

async function look(): Promise<boolean> {
  if (!existsSync(CHROMIUM)) throw new Error(`no Chromium at ${CHROMIUM}: install it, or name it in CHROMIUM`)
  const folder = await mkdtemp(join(tmpdir(), 'letters-'))
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] })
  let well = true
  for (const [name, letter] of Object.entries(LETTERS)) {
    const rendered = renderLetter(letter)
    await writeFile(join(folder, `${name}.html`), rendered.html)
    await writeFile(join(folder, `${name}.txt`), rendered.text)
    for (const [width, dark] of [
      [800, false],
      [375, false],
      [800, true],
    ] as const) {
      const view = `${name}-${width}${dark ? '-dark' : ''}`
      const found = complaints(rendered, await see(browser, rendered, width, dark, join(folder, `${view}.png`)))
      well &&= found.length === 0
      console.log(`${view}: ${found.length === 0 ? 'well' : found.join('; ')}`)
    }
  }
  await browser.close()
  console.log(folder)
  return well
}

function rate(): void {
  const context = {
    ...CONTEXT,
    uploads: { rows: uploadRows(10), total: 10, maxRows: 10 },
    results: [resultTable(4, 20)],
  }
  const notice = noticeWith({ client: { labels: ['Workstation', 'vip'] } })
  // By processor time: other work on the machine does not count.
  const run = (seconds: number): number => {
    const from = process.cpuUsage()
    let letters = 0
    let spent = 0
    while (spent < seconds * 1e6) {
      renderLetter(flowLetter(notice, context))
      letters++
      if (letters % 100 > 0) continue
      const { user, system } = process.cpuUsage(from)
      spent = user + system
    }
    return (letters * 1e6) / spent
  }
  run(1)
  const { html, text } = renderLetter(flowLetter(notice, context))
  console.log(
    `${Math.round(run(RATE_SECONDS))} letters a second of one core, ${html.length} characters of HTML, ${text.length} of text`,
  )
}

if (process.argv.includes('--rate')) rate()
else process.exitCode = (await look()) ? 0 : 1
