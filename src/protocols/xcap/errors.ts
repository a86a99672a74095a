/** The conflicts of XCAP, one function each: 409 with the report of RFC 4825 §11, which says where the fault is. */

import { type ConflictReport, type Existing, writeConflictReport, xcapErrorType } from '../../documents/xcap-error.ts'
import { errorAt } from '../../documents/xml/read.ts'
import type { XmlElement } from '../../documents/xml/tree.ts'
import { HttpRefusal } from '../http/errors.ts'

/** A 409 with its report. */
export class XcapConflict extends HttpRefusal {
  readonly report: ConflictReport

  constructor(report: ConflictReport) {
    super(409, report.phrase ?? report.condition, {
      headers: { 'Content-Type': xcapErrorType },
      body: writeConflictReport(report),
    })
    this.name = 'XcapConflict'
    this.report = report
  }
}

/** The body is no well-formed document. */
export function notWellFormed(phrase: string): XcapConflict {
  return new XcapConflict({ condition: 'not-well-formed', phrase })
}

/** The body is not one balanced element. */
export function notXmlFragment(phrase: string): XcapConflict {
  return new XcapConflict({ condition: 'not-xml-frag', phrase })
}

/** There is nothing to insert into; `ancestor` is the URI of the closest place that exists. */
export function noParent(ancestor: string | undefined, phrase: string): XcapConflict {
  return new XcapConflict({ condition: 'no-parent', ancestor, phrase })
}

/** The result would not fit the schema. */
export function schemaValidationError(phrase: string): XcapConflict {
  return new XcapConflict({ condition: 'schema-validation-error', phrase })
}

export function notXmlAttributeValue(phrase: string): XcapConflict {
  return new XcapConflict({ condition: 'not-xml-att-value', phrase })
}

/** A GET of the resource after the PUT would not yield what was put. */
export function cannotInsert(phrase: string): XcapConflict {
  return new XcapConflict({ condition: 'cannot-insert', phrase })
}

/** The selector would select something else after the DELETE. */
export function cannotDelete(phrase: string): XcapConflict {
  return new XcapConflict({ condition: 'cannot-delete', phrase })
}

/** Values that had to be unique exist. */
export function uniquenessFailure(exists: readonly Existing[], phrase: string): XcapConflict {
  return new XcapConflict({ condition: 'uniqueness-failure', exists, phrase })
}

/** A constraint of the application usage is not met; `at` is the element at fault. */
export function constraintFailure(phrase: string, at?: XmlElement): XcapConflict {
  return new XcapConflict({ condition: 'constraint-failure', phrase: at ? errorAt(at, phrase).message : phrase })
}

export function notUtf8(phrase: string): XcapConflict {
  return new XcapConflict({ condition: 'not-utf-8', phrase })
}

/** What the policy of this server does not allow (OMA XDM Core), with values that it would where there are such. */
export function localConstraintFailure(
  phrase: string,
  more: Pick<Extract<ConflictReport, { condition: 'local-constraint-failure' }>, 'description' | 'alternatives'> = {},
): XcapConflict {
  return new XcapConflict({ condition: 'local-constraint-failure', phrase, ...more })
}
