/**
 * Prints where a server spends its CPU time, by package and by source file. Reads a CPU profile that
 * `CPU_PROF=folder npm run bench` wrote, without the warm-up.
 *
 * node bench/profile.ts <file.cpuprofile>
 */
import { readFileSync } from 'node:fs'

interface Profile {
  nodes: { id: number; callFrame: { functionName: string; url: string }; children?: number[] }[]
  samples: number[]
  timeDeltas: number[]
}

const SHOWN = 25
/** Share of all samples, from the end, that are after the warm-up. */
const WARM = 0.6

const [file = ''] = process.argv.slice(2)
const profile: Profile = JSON.parse(readFileSync(file, 'utf8'))
const nodes = new Map(profile.nodes.map((node) => [node.id, node]))
const parents = new Map(
  profile.nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const)),
)

/** The package or file of a function. Functions of the engine and of WebAssembly count for their caller. */
function ownerOf(id: number): string {
  const node = nodes.get(id)
  const { functionName = '', url = '' } = node?.callFrame ?? {}
  if (functionName.startsWith('(') && functionName !== '(anonymous)') return functionName
  if (/^write(v|.*String)$/.test(functionName)) return 'writes to sockets'
  const parent = parents.get(id)
  if (url === '' || url.startsWith('wasm:'))
    return parent === undefined ? functionName : ownerOf(parent)
  if (url.startsWith('node:')) return 'Node'
  const inPackage = /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1]
  return inPackage ?? `ours: ${/(?:dist|bench|src)\/(.*)$/.exec(url)?.[1] ?? url}`
}

const shares = new Map<string, number>()
let total = 0
for (const [index, id] of profile.samples.entries()) {
  if (index < profile.samples.length * (1 - WARM)) continue
  const owner = ownerOf(id)
  if (owner === '(idle)') continue
  const time = profile.timeDeltas[index] ?? 0
  shares.set(owner, (shares.get(owner) ?? 0) + time)
  total += time
}
const ordered = [...shares].sort(([, one], [, other]) => other - one)
for (const [owner, time] of ordered.slice(0, SHOWN)) {
  console.log(`${((100 * time) / total).toFixed(1).padStart(5)} %  ${owner}`)
}
