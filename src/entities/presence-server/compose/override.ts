/**
 * "Soft overrides hard" (PS-123): where a publication speaks of a tuple, person or device that permanent presence state speaks
 * of too, it is the publication that counts, attribute by attribute; what only the permanent state says is added to it.
 */

import { childElements, withChildren, type XmlElement } from '../../../documents/xml/tree.ts'
import { type Component, deviceIdOf, expandedName, type Facts, personFacts, tupleFacts } from './merge.ts'
import type { Parts } from './sources.ts'

/** Takes out of the hard components what soft ones say as well, so that they are merged and not told side by side. */
export function overrideHard(parts: Parts): void {
  const isAnyHard = Object.values(parts).some(part => typeof part !== 'number' && part.some(({ isHard }) => isHard))
  if (!isAnyHard) return
  parts.tuples = overridden(parts.tuples, tupleFacts)
  parts.persons = overridden(parts.persons, personFacts)
  parts.devices = overridden(parts.devices, deviceFacts)
  parts.notes = overriddenWhole(parts.notes)
  parts.extensions = overriddenWhole(parts.extensions)
}

/** Soft components first, for they lead; then the hard ones without the children that a soft one of the same key has. */
function overridden(components: readonly Component[], factsOf: (element: XmlElement) => Facts): Component[] {
  const said = new Map<string, Set<string>>()
  const soft = components.filter(({ isHard }) => !isHard)
  for (const { element } of soft) {
    const { key, children } = factsOf(element)
    const names = said.get(key)
    if (names === undefined) said.set(key, new Set(children.keys()))
    else for (const name of children.keys()) names.add(name)
  }
  const hard = components.filter(({ isHard }) => isHard)
  return [
    ...soft,
    ...hard.map(component => {
      const { element } = component
      const names = said.get(factsOf(element).key)
      const isSaid = (child: XmlElement) => names?.has(expandedName(child)) ?? false
      if (!childElements(element).some(isSaid)) return { ...component, publishedAt: 0 }
      const left = element.children.filter(node => node.kind !== 'element' || !isSaid(node))
      return { ...component, element: withChildren(element, left), publishedAt: 0 }
    }),
  ]
}

/** Devices are one by their deviceID (PS-83), which therefore stays. */
function deviceFacts(device: XmlElement): Facts {
  const key = deviceIdOf(device)
  const others = childElements(device).filter(child => child.name !== 'deviceID' && child.name !== 'timestamp')
  return { key: key ?? '', children: new Map(key === undefined ? [] : others.map(child => [expandedName(child), ''])) }
}

/** Notes and extensions of the document as a whole: those of a name that is published as well do not count. */
function overriddenWhole(components: readonly Component[]): Component[] {
  const names = new Set(components.filter(({ isHard }) => !isHard).map(({ element }) => expandedName(element)))
  return components.filter(({ isHard, element }) => !isHard || !names.has(expandedName(element)))
}
