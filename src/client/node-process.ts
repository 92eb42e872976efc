/**
 * The parts of Node's `process` that the client uses. Node's own types are not loaded, so other uses do not compile.
 */
interface NodeProcess {
  release?: { name?: string }
  /** Undefined before Node 22.3. */
  getBuiltinModule?: (name: 'node:http' | 'node:https') => unknown
}

/** Node's `process`. Undefined on other runtimes. */
export function nodeProcess(): NodeProcess | undefined {
  const { process } = globalThis as { process?: NodeProcess }
  return process?.release?.name === 'node' ? process : undefined
}
