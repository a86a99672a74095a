/**
 * Detailed conflict reports, `application/xcap-error+xml` (RFC 4825 §11), with the extension of the OMA for limits that local
 * policy sets (`local-constraint-failure`, XDM Core).
 */

import { newElement, type XmlElement } from './xml/tree.ts'
import { serializeXml } from './xml/write.ts'

export const xcapErrorType = 'application/xcap-error+xml'
export const xcapErrorNamespace = 'urn:ietf:params:xml:ns:xcap-error'
const omaErrorNamespace = 'urn:oma:xml:xdm:xcap-error'

/** Error elements that carry a phrase and nothing else. */
export type PlainCondition =
  | 'not-well-formed'
  | 'not-xml-frag'
  | 'schema-validation-error'
  | 'not-xml-att-value'
  | 'cannot-insert'
  | 'cannot-delete'
  | 'constraint-failure'
  | 'not-utf-8'

/** A value that had to be unique and was not. */
export interface Existing {
  /** Node selector of the element or attribute, percent-encoded, relative to the document. */
  readonly field: string
  /** Values that could be used instead. */
  readonly alternatives?: readonly string[]
}

export type ConflictReport =
  | { readonly condition: PlainCondition; readonly phrase?: string | undefined }
  | { readonly condition: 'no-parent'; readonly ancestor?: string | undefined; readonly phrase?: string | undefined }
  | {
      readonly condition: 'uniqueness-failure'
      readonly exists: readonly Existing[]
      readonly phrase?: string | undefined
    }
  | {
      readonly condition: 'local-constraint-failure'
      readonly phrase?: string | undefined
      readonly alternatives?: ReadonlyArray<{ readonly field: string; readonly value: string }>
      readonly description?: string | undefined
    }

/** The document that says so. */
export function writeConflictReport(report: ConflictReport): Buffer {
  return serializeXml(newElement(xcapErrorNamespace, 'xcap-error', {}, [condition(report)]))
}

function condition(report: ConflictReport): XmlElement {
  const phrase: Readonly<Record<string, string>> = report.phrase === undefined ? {} : { phrase: report.phrase }
  switch (report.condition) {
    case 'no-parent': {
      const ancestor = report.ancestor === undefined ? [] : [error('ancestor', {}, [report.ancestor])]
      return error('no-parent', phrase, ancestor)
    }
    case 'uniqueness-failure':
      return error(
        'uniqueness-failure',
        phrase,
        report.exists.map(({ field, alternatives = [] }) =>
          error(
            'exists',
            { field },
            alternatives.map(value => error('alt-value', {}, [value])),
          ),
        ),
      )
    case 'local-constraint-failure': {
      const alternatives = (report.alternatives ?? []).map(({ field, value }) =>
        newElement(omaErrorNamespace, 'alt-value', { field }, [value]),
      )
      const description =
        report.description === undefined ? [] : [newElement(omaErrorNamespace, 'description', {}, [report.description])]
      return error('extension', {}, [
        newElement(omaErrorNamespace, 'local-constraint-failure', phrase, [...alternatives, ...description]),
      ])
    }
    default:
      return error(report.condition, phrase, [])
  }
}

function error(
  name: string,
  attributes: Readonly<Record<string, string>>,
  children: readonly (XmlElement | string)[],
): XmlElement {
  return newElement(xcapErrorNamespace, name, attributes, children)
}
