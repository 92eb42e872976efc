import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'

export interface BrowserBundle {
  text: string
  gzipBytes: number
  /** Packages that are not part of the bundle. */
  imports: string[]
}

/**
 * Bundles and minifies a module for browsers. Fails if it needs a module of Node.
 *
 * @param external packages to leave out of the bundle
 */
export async function bundleForBrowsers(
  entry: string,
  { folder, external = [] }: { folder?: string; external?: string[] } = {},
): Promise<BrowserBundle> {
  const { outputFiles, metafile } = await build({
    entryPoints: [entry],
    ...(folder !== undefined && { absWorkingDir: folder }),
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    external,
    metafile: true,
    write: false,
    loader: { '.css': 'empty' },
    logLevel: 'silent',
  })
  const [bundle] = outputFiles
  const imports = Object.values(metafile.outputs).flatMap((output) => output.imports)
  return {
    text: bundle!.text,
    gzipBytes: gzipSync(bundle!.contents, { level: 9 }).length,
    imports: imports.map(({ path }) => path).sort(),
  }
}
