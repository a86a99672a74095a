/**
 * Lists of resources on the box: what ten thousand subscriptions to lists of fifty weigh, what a change of one member costs in a
 * list of few and of many, and that it costs no more beside ten thousand lists he is not in.
 */

import { HttpLoadClient } from './http-load.ts'
import { closedLoop, headerOf, LoadClient, type Notification } from './load.ts'
import type { Porchlight } from './porchlight.ts'
import { cpuNanoseconds, memoryMebibytes, readCpu } from './process-cost.ts'
import { median } from './report.ts'
import { domain } from './server.ts'
import { markOf, PresenceSource } from './users.ts'

export type ListFigures = {
  /** Proportional set size with nothing stored, and with all documents and subscriptions, MiB. */
  readonly idlePss: number
  readonly documentsPss: number
  readonly storedPss: number
  /** Server CPU per change of one member, NOTIFY to the one who watches him in a list included, µs. */
  readonly changeInSmall: number
  readonly changeInLarge: number
  readonly changeInSmallAmongMany: number
  /** PUBLISH of somebody whom nobody watches, in the same minutes, µs. */
  readonly publish: number
  readonly subscribe: number
  readonly faults: readonly string[]
}

const membersOfSmall = 50
const membersOfLarge = 500
const window = 64
const rounds = 5
const changesPerRound = 400

export async function measureLists(box: Porchlight, lists: number): Promise<ListFigures> {
  const client = await LoadClient.open({ address: '127.0.0.1', port: box.port })
  const faults: string[] = []
  const run = String(Date.now())
  const note = (loop: { readonly faults: readonly string[] }) => void faults.push(...loop.faults)
  await rest(3_000)
  const idlePss = memoryMebibytes(box.pids()).pss

  // Beyond the owners of the many lists: one who keeps a list of few, one who keeps a list of many, and their members.
  const first = lists
  const small = new ListWatcher(client, first, run)
  const large = new ListWatcher(client, first + 1, run)
  const smallMembers = range(first + 10, membersOfSmall)
  const largeMembers = range(first + 10 + membersOfSmall, membersOfLarge)
  const documents = await HttpLoadClient.open(box.httpPort, window)
  await putList(documents, first, smallMembers)
  await putList(documents, first + 1, largeMembers)
  await small.subscribe()
  await large.subscribe()
  const alone = new PresenceSource(client, first + 5, run)
  const [one, other] = [smallMembers[0]!, largeMembers[0]!]
  const [ofSmall, ofLarge] = [new PresenceSource(client, one, run), new PresenceSource(client, other, run)]
  const change = async (source: PresenceSource, watcher: ListWatcher | undefined): Promise<void> => {
    const seen = watcher?.sees(source.user, source.version + 1)
    await Promise.all([source.publish(), seen])
  }
  const changes = async (source: PresenceSource, watcher: ListWatcher | undefined): Promise<number> => {
    const figures: number[] = []
    for (let round = 0; round < rounds; round++) {
      const before = readCpu(box.pids())
      note(await closedLoop(changesPerRound, 1, () => change(source, watcher)))
      await rest(box.settleMs)
      figures.push(cpuNanoseconds(before, readCpu(box.pids())) / changesPerRound / 1000)
    }
    return median(figures)
  }
  // Once for the compiler.
  for (const [source, watcher] of [
    [ofSmall, small],
    [ofLarge, large],
    [alone, undefined],
  ] as const)
    note(await closedLoop(1_500, 1, () => change(source, watcher)))
  const publish = await changes(alone, undefined)
  const changeInSmall = await changes(ofSmall, small)
  const changeInLarge = await changes(ofLarge, large)

  note(await closedLoop(lists, window, index => putList(documents, index, neighbours(index, lists))))
  documents.close()
  await rest(8_000)
  const documentsPss = memoryMebibytes(box.pids()).pss
  const watchers = range(0, lists).map(index => new ListWatcher(client, index, run))
  const before = readCpu(box.pids())
  note(await closedLoop(lists, 16, index => watchers[index]!.subscribe()))
  await rest(box.settleMs)
  const subscribe = cpuNanoseconds(before, readCpu(box.pids())) / Math.max(lists, 1) / 1000
  await rest(40_000)
  const storedPss = memoryMebibytes(box.pids()).pss
  const changeInSmallAmongMany = await changes(ofSmall, small)
  client.close()
  return {
    idlePss,
    documentsPss,
    storedPss,
    changeInSmall,
    changeInLarge,
    changeInSmallAmongMany,
    publish,
    subscribe,
    faults,
  }
}

function neighbours(index: number, lists: number): number[] {
  return range(1, membersOfSmall).map(step => (index + step * 7) % lists)
}

function range(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, at) => first + at)
}

function listUri(user: number): string {
  return `sip:u${user}@${domain};pres-list=rcs`
}

/** The two documents of one who keeps a list, as a client of RCS writes them. */
async function putList(documents: HttpLoadClient, user: number, members: readonly number[]): Promise<void> {
  const home = `users/sip:u${user}@${domain}/index`
  const root = '/xcap-root'
  const entries = members.map(
    member => `<entry uri="sip:u${member}@${domain}"><display-name>User ${member}</display-name></entry>`,
  )
  const lists = `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list name="rcs">${entries.join('')}</list></resource-lists>`
  const selector = `http://${domain}${root}/resource-lists/${home}/~~/resource-lists/list%5b@name=%22rcs%22%5d`
  const services = `<rls-services xmlns="urn:ietf:params:xml:ns:rls-services"><service uri="${listUri(user)}"><resource-list>${selector}</resource-list><packages><package>presence</package></packages></service></rls-services>`
  await put(documents, user, `${root}/resource-lists/${home}`, 'application/resource-lists+xml', lists)
  await put(documents, user, `${root}/rls-services/${home}`, 'application/rls-services+xml', services)
}

async function put(documents: HttpLoadClient, user: number, target: string, type: string, body: string): Promise<void> {
  const answer = await documents.request(user, 'PUT', target, `Content-Type: ${type}\r\n`, body)
  if (answer.status !== 201 && answer.status !== 200) throw new Error(`PUT ${target} was answered ${answer.head}`)
}

/** Who subscribes to his list. */
class ListWatcher {
  readonly #client: LoadClient
  readonly #user: number
  readonly #callId: string
  #expected: ((notification: Notification) => void) | undefined

  constructor(client: LoadClient, user: number, run: string) {
    this.#client = client
    this.#user = user
    this.#callId = `l${user}-${run}`
  }

  async subscribe(): Promise<void> {
    this.#client.onNotify(this.#callId, notification => {
      const expected = this.#expected
      this.#expected = undefined
      expected?.(notification)
    })
    const watcher = `sip:u${this.#user}@${domain}`
    const [answer, { body }] = await Promise.all([
      this.#client.request(
        this.#user,
        `SUBSCRIBE ${listUri(this.#user)}`,
        `Max-Forwards: 70\r\nFrom: <${watcher}>;tag=f${this.#callId}\r\nTo: <${watcher}>\r\nCall-ID: ${this.#callId}\r\n` +
          `CSeq: 1 SUBSCRIBE\r\nContact: <sip:u${this.#user}@${this.#client.hostPort(this.#user)}>\r\nEvent: presence\r\n` +
          `Supported: eventlist\r\nAccept: multipart/related, application/rlmi+xml, application/pidf+xml\r\nExpires: 36000\r\n`,
      ),
      this.#next(),
    ])
    if (answer.status !== 200) throw new Error(`SUBSCRIBE was answered ${answer.text}`)
    if (!body.includes('fullState="true"')) throw new Error(`the first NOTIFY has no full state: ${body.slice(0, 500)}`)
  }

  /** Resolves when a NOTIFY shows that version of a member's publication. */
  async sees(member: number, version: number): Promise<void> {
    for (;;) {
      const { body, text } = await this.#next()
      if (headerOf(text, 'Require') !== 'eventlist') throw new Error('a NOTIFY without Require: eventlist')
      if (body.includes(markOf(member, version))) return
    }
  }

  #next(): Promise<Notification> {
    return new Promise((resolve, reject) => {
      const patience = setTimeout(() => reject(new Error(`no NOTIFY for ${this.#callId}`)), 32_000)
      this.#expected = notification => {
        clearTimeout(patience)
        resolve(notification)
      }
    })
  }
}

function rest(ms: number): Promise<void> {
  return new Promise(rested => setTimeout(rested, ms))
}
