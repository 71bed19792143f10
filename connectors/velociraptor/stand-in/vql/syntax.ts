/** What a VQL text says, as a tree. */
export type Expression =
  | { readonly is: 'literal'; readonly value: null | boolean | number | bigint | string; readonly text: string }
  | { readonly is: 'list'; readonly items: readonly Expression[] }
  | { readonly is: 'symbol'; readonly name: string }
  | { readonly is: 'call'; readonly name: string; readonly args: readonly Argument[] }
  | { readonly is: 'member'; readonly of: Expression; readonly name: string }
  | { readonly is: 'index'; readonly of: Expression; readonly at: Expression }
  | { readonly is: 'query'; readonly select: Select }
  | { readonly is: 'not' | 'minus'; readonly of: Expression }
  | { readonly is: 'binary'; readonly operator: Operator; readonly left: Expression; readonly right: Expression }

export type Operator = 'AND' | 'OR' | '=' | '!=' | '<' | '>' | '<=' | '>=' | '=~' | 'IN' | '+' | '-' | '*' | '/'

export interface Argument {
  /** Empty for `**` dictionaries, which give several at once. */
  readonly name: string
  readonly value: Expression
}

export interface Column {
  /** null: all columns. */
  readonly value: Expression | null
  readonly name: string
}

export interface Select {
  readonly columns: readonly Column[]
  readonly from: { readonly name: string; readonly args: readonly Argument[] | null }
  readonly where: Expression | null
  readonly groupBy: Expression | null
  readonly orderBy: { readonly name: string; readonly descending: boolean } | null
  readonly limit: number | null
}

export type Statement =
  | { readonly is: 'select'; readonly select: Select }
  | {
      readonly is: 'let'
      readonly name: string
      readonly parameters: readonly string[]
      readonly eager: boolean
      readonly value: Expression
    }

/** An expression as the server names a column without AS. */
export const expressionText = (expression: Expression): string => {
  switch (expression.is) {
    case 'literal':
      return expression.text
    case 'list':
      return `(${expression.items.map(expressionText).join(', ')})`
    case 'symbol':
      return expression.name
    case 'call':
      return `${expression.name}(${argumentsText(expression.args)})`
    case 'member':
      return `${expressionText(expression.of)}.${expression.name}`
    case 'index':
      return `${expressionText(expression.of)}[${expressionText(expression.at)}]`
    case 'query':
      return `{ ${selectText(expression.select)} }`
    case 'not':
      return `NOT ${expressionText(expression.of)}`
    case 'minus':
      return `-${expressionText(expression.of)}`
    case 'binary':
      return `${expressionText(expression.left)} ${expression.operator} ${expressionText(expression.right)}`
  }
}

const argumentsText = (args: readonly Argument[]): string =>
  args
    .map(({ name, value }) => (name === '' ? `\`**\`=${expressionText(value)}` : `${name}=${expressionText(value)}`))
    .join(', ')

const selectText = ({ columns, from, where, groupBy, orderBy, limit }: Select): string =>
  [
    'SELECT',
    columns
      .map(({ value, name }) =>
        value === null ? '*' : expressionText(value) === name ? name : `${expressionText(value)} AS ${name}`,
      )
      .join(', '),
    'FROM',
    from.args === null ? from.name : `${from.name}(${argumentsText(from.args)})`,
    ...(where === null ? [] : ['WHERE', expressionText(where)]),
    ...(groupBy === null ? [] : ['GROUP BY', expressionText(groupBy)]),
    ...(orderBy === null ? [] : ['ORDER BY', orderBy.name, ...(orderBy.descending ? ['DESC'] : [])]),
    ...(limit === null ? [] : ['LIMIT', String(limit)]),
  ].join(' ')

/** Every plugin and function that statements name, with those in subqueries. */
export const namesCalled = (statements: readonly Statement[]): ReadonlySet<string> => {
  const names = new Set<string>()
  const inExpression = (expression: Expression): void => {
    switch (expression.is) {
      case 'call':
        names.add(expression.name)
        for (const { value } of expression.args) inExpression(value)
        return
      case 'list':
        expression.items.forEach(inExpression)
        return
      case 'member':
      case 'not':
      case 'minus':
        inExpression(expression.of)
        return
      case 'index':
        inExpression(expression.of)
        inExpression(expression.at)
        return
      case 'query':
        inSelect(expression.select)
        return
      case 'binary':
        inExpression(expression.left)
        inExpression(expression.right)
        return
      default:
        return
    }
  }
  const inSelect = ({ columns, from, where, groupBy }: Select): void => {
    for (const { value } of columns) if (value !== null) inExpression(value)
    names.add(from.name)
    for (const { value } of from.args ?? []) inExpression(value)
    if (where !== null) inExpression(where)
    if (groupBy !== null) inExpression(groupBy)
  }
  for (const statement of statements)
    if (statement.is === 'select') inSelect(statement.select)
    else inExpression(statement.value)
  return names
}
