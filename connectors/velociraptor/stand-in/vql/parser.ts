import { tokensOf, unexpected, type Token } from './lexer.ts'
import {
  expressionText,
  type Argument,
  type Column,
  type Expression,
  type Operator,
  type Select,
  type Statement,
} from './syntax.ts'
import { integer } from './values.ts'

const keywords = new Set([
  'SELECT',
  'FROM',
  'WHERE',
  'GROUP',
  'ORDER',
  'BY',
  'LIMIT',
  'LET',
  'AS',
  'AND',
  'OR',
  'IN',
  'DESC',
])
const afterColumns =
  '<from> _From (<where> _CommaExpression)? (<groupby> _CommaExpression)? (<orderby> <ident> <desc>?)? (<limit> <number>)?'
const comparisons = new Set<string>(['=', '!=', '<', '>', '<=', '>=', '=~'])

/** Reads VQL: statements that share a scope. Throws VqlError in the server's words. */
export const parseVql = (vql: string): readonly Statement[] => {
  const tokens = tokensOf(vql)
  let next = 0
  const peek = (ahead = 0): Token => tokens[Math.min(next + ahead, tokens.length - 1)] as Token
  const fail = (expected?: string): never => {
    throw unexpected(vql, peek(), expected)
  }
  const isWord = (word: string, token = peek()): boolean => token.is === 'word' && token.text.toUpperCase() === word
  const isSign = (sign: string, token = peek()): boolean => token.is === 'sign' && token.value === sign
  const takeWord = (word: string): boolean => {
    if (!isWord(word)) return false
    next++
    return true
  }
  const takeSign = (sign: string): boolean => {
    if (!isSign(sign)) return false
    next++
    return true
  }
  const needSign = (sign: string): void => {
    if (!takeSign(sign)) fail(`"${sign}"`)
  }
  const name = (): string => {
    const token = peek()
    if (token.is !== 'word') fail('<ident>')
    next++
    return token.value
  }

  const statement = (): Statement => {
    if (isWord('LET')) return letStatement()
    return { is: 'select', select: select() }
  }

  const letStatement = (): Statement => {
    next++
    const named = name()
    const parameters: string[] = []
    if (takeSign('(')) {
      while (!isSign(')')) {
        parameters.push(name())
        if (!takeSign(',')) break
      }
      needSign(')')
    }
    const eager = isSign('<=')
    if (!eager && !isSign('=')) fail()
    next++
    const value: Expression = isWord('SELECT') ? { is: 'query', select: select() } : expression()
    return { is: 'let', name: named, parameters, eager, value }
  }

  const select = (): Select => {
    if (!takeWord('SELECT')) fail('"SELECT"')
    const columns: Column[] = []
    if (!isWord('FROM'))
      do columns.push(column())
      while (takeSign(','))
    if (!takeWord('FROM')) fail(afterColumns)
    if (peek().is !== 'word' || isClause() || columns.length === 0) fail(afterColumns.replace('<from> ', ''))
    const from = source()
    const where = takeWord('WHERE') ? expression() : null
    const groupBy = takePair('GROUP') ? expression() : null
    const orderBy = takePair('ORDER') ? order() : null
    const limit = takeWord('LIMIT') ? Number(number().value) : null
    return { columns, from, where, groupBy, orderBy, limit }
  }

  const isClause = (): boolean => keywords.has(peek().text.toUpperCase())

  const takePair = (word: string): boolean => {
    if (!isWord(word) || !isWord('BY', peek(1))) return false
    next += 2
    return true
  }

  const order = (): { name: string; descending: boolean } => ({ name: name(), descending: takeWord('DESC') })

  const number = (): Token => {
    const token = peek()
    if (token.is !== 'number') fail('<number>')
    next++
    return token
  }

  const column = (): Column => {
    if (takeSign('*')) return { value: null, name: '*' }
    const value = expression()
    return { value, name: takeWord('AS') ? name() : expressionText(value) }
  }

  const source = (): Select['from'] => {
    let named = name()
    while (takeSign('.')) named += `.${name()}`
    return { name: named, args: takeSign('(') ? args() : null }
  }

  const args = (): readonly Argument[] => {
    const found: Argument[] = []
    while (!isSign(')')) {
      found.push(argument())
      if (!takeSign(',')) break
    }
    needSign(')')
    return found
  }

  const argument = (): Argument => {
    const key = takeSign('**') ? '**' : name()
    needSign('=')
    const value: Expression = isSign('[')
      ? listLiteral()
      : isWord('SELECT')
        ? { is: 'query', select: select() }
        : expression()
    return { name: key === '**' ? '' : key, value }
  }

  const listLiteral = (): Expression => {
    next++
    const items: Expression[] = []
    while (!isSign(']')) {
      items.push(isSign('[') ? listLiteral() : expression())
      if (!takeSign(',')) break
    }
    needSign(']')
    return { is: 'list', items }
  }

  const chained = (operand: () => Expression, operators: readonly Operator[]): Expression => {
    let left = operand()
    for (;;) {
      const operator = operators.find((one) => isSign(one) || (one.length > 1 && isWord(one)))
      if (operator === undefined) return left
      next++
      left = { is: 'binary', operator, left, right: operand() }
    }
  }

  // In VQL, OR binds tighter than AND.
  const expression = (): Expression => chained(() => chained(condition, ['OR']), ['AND'])

  const condition = (): Expression => {
    if (isWord('NOT')) {
      next++
      return { is: 'not', of: condition() }
    }
    const left = sum()
    const token = peek()
    if (token.is === 'sign' && comparisons.has(token.value)) {
      next++
      return { is: 'binary', operator: token.value as Operator, left, right: sum() }
    }
    if (!takeWord('IN')) return left
    return { is: 'binary', operator: 'IN', left, right: sum() }
  }

  const sum = (): Expression => chained(() => chained(factor, ['*', '/']), ['+', '-'])

  const factor = (): Expression => {
    if (takeSign('-')) return { is: 'minus', of: factor() }
    let found = primary()
    // The server's grammar knows no member of a subquery.
    if (found.is === 'query') return found
    for (;;) {
      if (takeSign('.')) found = { is: 'member', of: found, name: peek().is === 'number' ? number().value : name() }
      else if (takeSign('[')) {
        found = { is: 'index', of: found, at: expression() }
        needSign(']')
      } else return found
    }
  }

  const primary = (): Expression => {
    const token = peek()
    if (token.is === 'text') {
      next++
      return {
        is: 'literal',
        value: token.value,
        text: `'${token.value.replace(/['\\]/g, '\\$&').replaceAll('\n', '\\n')}'`,
      }
    }
    if (token.is === 'number') {
      next++
      const value = /^(0x[0-9a-fA-F]+|\d+)$/.test(token.text) ? integer(BigInt(token.text)) : Number(token.text)
      return { is: 'literal', value, text: String(value) }
    }
    if (takeSign('{')) {
      const query: Expression = { is: 'query', select: select() }
      needSign('}')
      return query
    }
    if (takeSign('(')) return parenthesis()
    if (token.is === 'word') return word()
    return fail()
  }

  const parenthesis = (): Expression => {
    const first = expression()
    if (!isSign(',')) {
      needSign(')')
      return first
    }
    const items = [first]
    while (takeSign(',')) if (!isSign(')')) items.push(expression())
    needSign(')')
    return { is: 'list', items }
  }

  const word = (): Expression => {
    const token = peek()
    const upper = token.text.toUpperCase()
    if (upper === 'NULL' || upper === 'TRUE' || upper === 'FALSE') {
      next++
      return { is: 'literal', value: upper === 'NULL' ? null : upper === 'TRUE', text: upper }
    }
    if (upper === 'WHERE' || upper === 'SELECT') fail()
    next++
    return takeSign('(') ? { is: 'call', name: token.value, args: args() } : { is: 'symbol', name: token.value }
  }

  const statements: Statement[] = []
  while (peek().is !== 'end') {
    if (!isWord('SELECT') && !isWord('LET'))
      fail(statements.length === 0 ? `<select> _SelectExpression ${afterColumns}` : undefined)
    statements.push(statement())
  }
  return statements
}
