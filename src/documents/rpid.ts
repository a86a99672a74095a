/** Rich presence (RFC 4480): what a person, a service or a device is about, with the time it holds. */

export const rpidNamespace = 'urn:ietf:params:xml:ns:pidf:rpid'

/** RFC 4480 §3.1 table 1. */
export const rpidElements = [
  'activities',
  'class',
  'deviceID',
  'mood',
  'place-is',
  'place-type',
  'privacy',
  'relationship',
  'service-class',
  'sphere',
  'status-icon',
  'time-offset',
  'user-input',
] as const

/** RFC 4480 §3.2; `other` takes text, and elements of other namespaces extend the list. */
export const rpidActivities = [
  'appointment',
  'away',
  'breakfast',
  'busy',
  'dinner',
  'holiday',
  'in-transit',
  'looking-for-work',
  'lunch',
  'meal',
  'meeting',
  'on-the-phone',
  'other',
  'performance',
  'permanent-absence',
  'playing',
  'presentation',
  'shopping',
  'sleeping',
  'spectator',
  'steering',
  'travel',
  'tv',
  'unknown',
  'vacation',
  'working',
  'worship',
] as const
