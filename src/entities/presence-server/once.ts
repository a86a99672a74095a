/** What is made once for all NOTIFYs of one turn (`Occasion.shared`). */

export function once<T>(shared: Map<unknown, unknown>, key: unknown, make: () => T): T {
  if (shared.has(key)) return shared.get(key) as T
  const made = make()
  shared.set(key, made)
  return made
}
