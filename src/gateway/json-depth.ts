/**
 * Counts the members of the outermost object of this JSON, including duplicates. Undefined when it is
 * nested deeper than `maxDepth`. Call it before parsing, because the parser is several times slower on
 * nested brackets. The number is meaningful for valid JSON only.
 */
export function countOuterMembers(json: string, maxDepth: number): number | undefined {
  let depth = 0
  let members = 0
  let inString = false
  for (let at = 0; at < json.length; at += 1) {
    const character = json[at]
    if (inString) {
      if (character === '\\') at += 1
      else if (character === '"') inString = false
    } else if (character === '"') inString = true
    else if (character === '{' || character === '[') {
      depth += 1
      if (depth > maxDepth) return undefined
    } else if (character === '}' || character === ']') depth -= 1
    else if (character === ':' && depth === 1) members += 1
  }
  return members
}
