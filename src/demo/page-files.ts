import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

/** A file of the page, in memory. */
export interface PageFile {
  type: string
  body: Uint8Array
}

const pathOf = (file: string) => fileURLToPath(new URL(`../${file}`, import.meta.url))

const types: Record<string, string> = { js: 'text/javascript', css: 'text/css' }

let bundled: Promise<Map<string, PageFile>> | undefined

/** The page's files by URL path. The first call bundles them. */
export function pageFiles(): Promise<Map<string, PageFile>> {
  bundled ??= bundle()
  return bundled
}

async function bundle(): Promise<Map<string, PageFile>> {
  // Loaded when needed: with files as arguments the demo serves no page.
  const { build, stop } = await import('esbuild')
  const { outputFiles } = await build({
    entryPoints: {
      page: pathOf('demo/page/page.ts'),
      style: pathOf('demo/page/style.css'),
      'hash-worker': pathOf('client/hash-worker.ts'),
    },
    bundle: true,
    write: false,
    outdir: '/',
    format: 'esm',
    minify: true,
    legalComments: 'none',
    logLevel: 'silent',
  })
  await stop()
  const html = { type: 'text/html', body: await readFile(pathOf('demo/page/page.html')) }
  const built = outputFiles.map(({ path, contents }) => {
    const name = path.split(/[/\\]/).at(-1)!
    const type = types[name.split('.').at(-1)!]!
    return [`/${name}`, { type, body: contents }] as const
  })
  return new Map([['/', html], ...built])
}
