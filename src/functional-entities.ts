/**
 * The functional entities of a box, and what each is told of the others: the lines of the architecture that do not cross the SIP
 * routing table. Entities meet here by reads that their owners export, and by the feed of document changes.
 */

import { AggregationProxy } from './entities/aggregation-proxy/aggregation-proxy.ts'
import { HttpAdmission } from './entities/aggregation-proxy/authenticate.ts'
import { ContentServer } from './entities/content-server/content-server.ts'
import { troubleOf } from './entities/content-server/gateway.ts'
import { PresenceServer } from './entities/presence-server/presence-server.ts'
import { listDocuments } from './entities/resource-list-server/list-documents.ts'
import { eventListOption } from './entities/resource-list-server/list-package.ts'
import { requestContainedOption } from './entities/resource-list-server/request-contained.ts'
import { ResourceListServer } from './entities/resource-list-server/resource-list-server.ts'
import { isUser } from './entities/sip-ip-core/accounts.ts'
import { registrationState } from './entities/sip-ip-core/bindings.ts'
import type { Home } from './entities/sip-ip-core/home.ts'
import { StatefulProxy } from './entities/sip-ip-core/proxy.ts'
import { Registrar } from './entities/sip-ip-core/registrar.ts'
import { presenceServerPoints, resourceListServerPoints } from './entities/xdm-client/points.ts'
import { XdmClient } from './entities/xdm-client/xdm-client.ts'
import { ChangeNotifier } from './entities/xdms/change-subscriptions/change-notifier.ts'
import type { ChangeListener } from './entities/xdms/documents.ts'
import { managementServers, type XdmsContext } from './entities/xdms/servers.ts'
import { userOfXui } from './entities/xdms/user-identifier.ts'
import { changeEvents } from './routing.ts'
import type { Settings } from './settings/table.ts'
import type { Entity, EntityName, Random, SipEntity, SipEntityName } from './turn.ts'

/** What of the appliance the entities are made from. */
export interface EntityOptions {
  readonly settings: () => Settings
  readonly random: Random
  /** Keys what must not be guessed; the same at every start of this box. */
  readonly secret: string
  /** The Route values by which another domain is reached; without it, or undefined, that domain is not served. */
  readonly routeTo?: (domain: string) => readonly string[] | undefined
}

/** The functional entities, by the name under which their wakes and requests return. */
export interface Entities extends Record<SipEntityName, SipEntity>, Record<Exclude<EntityName, SipEntityName>, Entity> {
  readonly registrar: Registrar
  readonly proxy: StatefulProxy
  readonly 'presence-server': PresenceServer
  readonly xdms: ChangeNotifier
  readonly 'resource-list-server': ResourceListServer
  readonly 'aggregation-proxy': AggregationProxy
  readonly 'content-server': ContentServer
  readonly 'xdm-client': XdmClient
}

export function functionalEntities(options: EntityOptions, home: Home): Entities {
  const toPresenceServer: ChangeListener = (change, turn) => entities['presence-server'].documentChanged(change, turn)
  const toResourceListServer: ChangeListener = (change, turn) =>
    entities['resource-list-server'].documentChanged(change, turn)
  const xdms: XdmsContext = {
    userOf: xui => userOfXui(xui, home),
    isUser: (turn, user) => isUser(turn, user),
    isShown: (watcher, { xui, path }, turn) =>
      entities['content-server'].isShown(watcher, { owner: xui, name: path }, turn),
    mayWrite: (identities, { xui }, turn) => entities['presence-server'].permanentPresenceCheck(xui, identities, turn),
    listeners: [toPresenceServer, (change, turn) => entities.xdms.documentChanged(change, turn), toResourceListServer],
  }
  const servers = managementServers(xdms)
  const contentAdmission = new HttpAdmission(`content ${options.secret}${options.random.token(22)}`, xdms.userOf)
  const aggregationProxy = new AggregationProxy({
    ...xdms,
    secret: `http ${options.secret}${options.random.token(22)}`,
    servers,
  })
  const address = (transport: 'udp' | 'tcp' | 'tls' | 'sips') => home.hostPort(transport === 'sips' ? 'tls' : transport)
  const xdmClient = new XdmClient({
    settings: options.settings,
    userOfXui: xui => userOfXui(xui, home),
    address,
    listeners: {
      prs5: toPresenceServer,
      prs8: toPresenceServer,
      prs9: toResourceListServer,
      prs10: toResourceListServer,
    },
  })
  const contactParameters = (nextHop: string) => home.contactParameters(nextHop)
  const entities: Entities = {
    registrar: new Registrar(home, ['presence', ...changeEvents]),
    proxy: new StatefulProxy(home),
    'presence-server': new PresenceServer({
      userOf: uri => home.userOf(uri),
      isUser: (db, aor) => isUser({ db, settings: options.settings() }, aor),
      registrationState,
      objects: {
        uriOf: (owner, object, turn) => entities['content-server'].uriOf(owner, object, turn),
        store: (owner, objects, turn) => entities['content-server'].store(owner, objects, turn),
        named: (owner, uri, turn) => entities['content-server'].named(owner, uri, turn),
        fits: (owner, objects, turn) => entities['content-server'].fits(owner, objects, turn),
        toStore: (owner, object, turn) => entities['content-server'].toStore(owner, object, turn),
        troubleOf,
      },
      userOfXui: xui => userOfXui(xui, home),
      documents: xdmClient.reader(presenceServerPoints),
      address,
      contactParameters,
      beside: {
        methods: ['REGISTER'],
        events: ['reg', ...changeEvents],
        extensions: ['path', 'outbound', eventListOption, requestContainedOption],
      },
      ownPresenceChanged: (user, turn) => entities['resource-list-server'].ownPresenceChanged(user, turn),
      holder: {
        entity: 'resource-list-server',
        subscriber: (...asked) => entities['resource-list-server'].subscriber(...asked),
      },
    }),
    'resource-list-server': new ResourceListServer({
      documents: listDocuments({
        // What a list was shows nothing that its members' own rules do not.
        reader: xdmClient.reader(resourceListServerPoints, { keepsLast: true }),
        isUser: (db, aor) => isUser({ db, settings: options.settings() }, aor),
        userOfXui: xui => userOfXui(xui, home),
      }),
      states: {
        stateFor: (...asked) => entities['presence-server'].stateFor(...asked),
        hasLeg: (...asked) => entities['presence-server'].hasLeg(...asked),
        suppression: {
          isKnown: (...asked) => entities['presence-server'].suppression.isKnown(...asked),
          holds: (...asked) => entities['presence-server'].suppression.holds(...asked),
        },
      },
      userOf: uri => home.userOf(uri),
      subscriberAddress: address,
      routeTo: uri => options.routeTo?.(uri.host),
      address,
      contactParameters,
      servedBeside: ['reg', ...changeEvents],
    }),
    xdms: new ChangeNotifier({
      ...xdms,
      servers,
      placeOf: uri => home.placeOf(uri),
      address,
      contactParameters,
      servedBeside: ['presence', 'reg'],
    }),
    'aggregation-proxy': aggregationProxy,
    'content-server': new ContentServer({
      admit: (request, turn) => contentAdmission.admit(request, turn),
      userOf: xdms.userOf,
      isUser: (db, aor) => isUser({ db, settings: options.settings() }, aor),
      presenceOf: (presentity, turn) => entities['presence-server'].documentOf(presentity, turn),
      presenceShown: (presentity, identities, turn) =>
        entities['presence-server'].shownTo({ identities, displayName: undefined }, presentity, turn),
    }),
    'xdm-client': xdmClient,
  }
  return entities
}
