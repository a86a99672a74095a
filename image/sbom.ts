/** The software bill of materials: every Debian and npm package in a root, as CycloneDX 1.5 JSON. */

import { existsSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { sha256 } from './tools.ts'

interface Component {
  readonly type: 'library' | 'operating-system' | 'application'
  readonly 'bom-ref': string
  readonly name: string
  readonly version: string
  readonly purl: string
  readonly supplier?: { readonly name: string }
  readonly licenses?: ReadonlyArray<{ readonly license: { readonly name: string } }>
}

/** Packages of the unpacked `root`, as dpkg knows them. */
export function debianComponents(root: string): Component[] {
  return readFileSync(join(root, 'var/lib/dpkg/status'), 'utf8')
    .split('\n\n')
    .map(paragraph => new Map([...paragraph.matchAll(/^([A-Za-z-]+): (.*)$/gm)].map(match => [match[1]!, match[2]!])))
    .filter(fields => fields.get('Status') === 'install ok installed')
    .map(fields => {
      const [name, version, architecture] = ['Package', 'Version', 'Architecture'].map(field => fields.get(field) ?? '')
      const purl = `pkg:deb/debian/${encodeURIComponent(name!)}@${encodeURIComponent(version!)}?arch=${architecture}`
      return { type: 'library', 'bom-ref': purl, name: name!, version: version!, purl, supplier: { name: 'Debian' } }
    })
}

/** Packages below `node_modules`. */
export function npmComponents(packages: string): Component[] {
  return globSync('{*,@*/*}/package.json', { cwd: packages })
    .sort()
    .filter(path => existsSync(join(packages, path)))
    .map(path => {
      const about = JSON.parse(readFileSync(join(packages, path), 'utf8')) as {
        name: string
        version: string
        license?: string
      }
      const purl = `pkg:npm/${about.name.replace('@', '%40')}@${about.version}`
      const licenses = about.license ? { licenses: [{ license: { name: about.license } }] } : {}
      return { type: 'library', 'bom-ref': purl, name: about.name, version: about.version, purl, ...licenses }
    })
}

/** The document; equal components give equal octets. */
export function cycloneDx(board: string, version: string, date: number, components: readonly Component[]): string {
  const sorted = components.toSorted((a, b) => (a.purl < b.purl ? -1 : 1))
  const id = sha256(JSON.stringify([board, version, sorted]))
  const uuid = `${id.slice(0, 8)}-${id.slice(8, 12)}-5${id.slice(13, 16)}-a${id.slice(17, 20)}-${id.slice(20, 32)}`
  return `${JSON.stringify(
    {
      bomFormat: 'CycloneDX',
      specVersion: '1.5',
      serialNumber: `urn:uuid:${uuid}`,
      version: 1,
      metadata: {
        timestamp: new Date(date * 1000).toISOString(),
        component: { type: 'firmware', 'bom-ref': 'porchlight', name: `porchlight-${board}`, version },
      },
      components: sorted,
    },
    undefined,
    1,
  )}\n`
}
