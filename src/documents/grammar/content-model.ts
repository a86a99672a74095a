/**
 * Content models compiled: from what has been read of an element's children follows what may come next. The position
 * automaton of a regular expression (Glushkov), which is deterministic for every model that XML Schema allows; where an
 * element and a wildcard both fit, the element is meant.
 */

import type { Particle, Processing, TypeOf } from './grammar.ts'
import { listed } from './simple-types.ts'

export interface State {
  /** Whether the element may end here. */
  readonly final: boolean
  /** By local name. */
  readonly elements: ReadonlyMap<string, ElementEdge>
  readonly wildcards: readonly WildcardEdge[]
}

export interface ElementEdge {
  readonly namespace: string
  readonly name: string
  readonly type: TypeOf
  next: State
}

export interface WildcardEdge {
  readonly other: string | undefined
  readonly processing: Processing
  next: State
}

/** The state before the first child. */
export function compileContent(content: Particle): State {
  const positions: Position[] = []
  const { nullable, first, last } = read(content, positions)
  const states = new Map<string, State>()
  const stateOf = (follow: ReadonlySet<number>, final: boolean): State => {
    const numbers = [...follow].sort((a, b) => a - b)
    const key = `${final ? '.' : ''}${numbers.join()}`
    let state = states.get(key)
    if (state === undefined) {
      state = newState(
        numbers.map(number => positions[number]!.edge),
        final,
      )
      states.set(key, state)
    }
    return state
  }
  for (const [number, { edge, follow }] of positions.entries()) edge.next = stateOf(follow, last.has(number))
  return stateOf(first, nullable)
}

/** What may come in a state, for people: `actions, transformations or the end of rule`. */
export function expectation(state: State, parent: string): string {
  const names = [...state.elements.keys()]
  if (state.wildcards.length > 0) names.push('an element of another namespace')
  if (state.final) names.push(`the end of ${parent}`)
  return names.length > 12 ? `${names.slice(0, 11).join(', ')} and others` : listed(names)
}

interface Position {
  readonly edge: ElementEdge | WildcardEdge
  /** The positions that may come after this one. */
  readonly follow: Set<number>
}

interface Part {
  /** Whether nothing at all will do. */
  readonly nullable: boolean
  readonly first: ReadonlySet<number>
  readonly last: ReadonlySet<number>
}

const unset: State = { final: false, elements: new Map(), wildcards: [] }

function read(particle: Particle, positions: Position[]): Part {
  switch (particle.kind) {
    case 'element':
    case 'any': {
      const number = new Set([positions.length])
      const { kind, ...edge } = particle
      positions.push({ edge: { ...edge, next: unset }, follow: new Set() })
      return { nullable: false, first: number, last: number }
    }
    case 'sequence':
      return particle.of.map(part => read(part, positions)).reduce((a, b) => joined(a, b, positions), nothing)
    case 'choice': {
      const parts = particle.of.map(part => read(part, positions))
      return {
        nullable: parts.some(part => part.nullable),
        first: new Set(parts.flatMap(part => [...part.first])),
        last: new Set(parts.flatMap(part => [...part.last])),
      }
    }
    case 'occurs': {
      const part = read(particle.of, positions)
      if (particle.repeats) follow(part, part, positions)
      return { ...part, nullable: part.nullable || particle.optional }
    }
  }
}

const nothing: Part = { nullable: true, first: new Set(), last: new Set() }

function joined(a: Part, b: Part, positions: Position[]): Part {
  follow(a, b, positions)
  return {
    nullable: a.nullable && b.nullable,
    first: a.nullable ? new Set([...a.first, ...b.first]) : a.first,
    last: b.nullable ? new Set([...a.last, ...b.last]) : b.last,
  }
}

function follow(a: Part, b: Part, positions: Position[]): void {
  for (const number of a.last) for (const next of b.first) positions[number]!.follow.add(next)
}

function newState(edges: readonly (ElementEdge | WildcardEdge)[], final: boolean): State {
  const elements = new Map<string, ElementEdge>()
  const wildcards: WildcardEdge[] = []
  for (const edge of edges) {
    if ('name' in edge) {
      // Of two equal elements the first is meant; they have the same type (XML Schema part 1 §3.8.6).
      if (!elements.has(edge.name)) elements.set(edge.name, edge)
    } else wildcards.push(edge)
  }
  return { final, elements, wildcards }
}
