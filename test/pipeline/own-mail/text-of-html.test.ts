import { expect, it } from 'vitest'
import { textOfHtml } from '../../../pipeline/own-mail/text-of-html.ts'

it('takes the words of HTML, line by line, without styles and markup', () => {
  const html = `<html><head><title>T</title></head><style>p { color: red }</style><body><h1>Weekly &amp; short</h1>
    <p>Hosts:   <b>3</b><br>one &lt; two &#8364; &#x41; &nope;</p><!-- gone --><ul><li>a</li><li>b</li></ul></body></html>`
  expect(textOfHtml(html)).toBe('Weekly & short\nHosts: 3\none < two € A &nope;\na\nb')
})
