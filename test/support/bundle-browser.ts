import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'

export interface BrowserBundle {
  text: string
  gzipBytes: number
  /** What has to be had from elsewhere. */
  imports: string[]
}

/**
 * Bundles a module for browsers, minified. Fails where something in it is there in Node alone.
 *
 * @param external packages that are not to be part of it
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
