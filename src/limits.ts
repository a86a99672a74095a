/**
 * The memory budget: every bound of the product with what happens at the bound. Libraries take theirs as constructor
 * options, so that this is the one place to look.
 */

export const limits = {
  /**
   * Bounds of the SIP stack other than its own defaults, which see (`defaultStackLimits`). An address that alone would take
   * the whole box has what is too much dropped and counted.
   */
  sip: { perSource: { perSecond: 20_000, burst: 20_000, addresses: 10_000 } },
  /** Wakes fired before one commit; the rest fire before the next. */
  wakesPerTick: 200,
  /** Connections open at once, TCP and TLS together; a further one is closed at once and counted. */
  connections: 2_000,
  /** Connections open at once from one remote address; a further one is closed at once and counted. */
  connectionsPerAddress: 200,
  /** Octets waiting to be taken by a connection's peer; beyond it the connection is closed: the peer does not read. */
  connectionBacklogOctets: 1_048_576,
  /** A connection on which nothing has arrived for so long is closed; RFC 5626 §4.4.1 has clients ping every 120 s or less. */
  connectionIdleMs: 900_000,
  /** How long a peer may take over the TLS handshake, or we over opening a connection; then it counts as failed. */
  connectMs: 10_000,
  /** How long a peer may be silent after it has connected; then the connection is closed. */
  firstOctetMs: 30_000,
  /** Octets of receive buffer asked of the system for each UDP socket; what does not fit the system drops. */
  udpReceiveBufferOctets: 4_194_304,
  /** Remote UDP addresses whose flow is remembered to save building it anew; the oldest half is forgotten. */
  udpFlowsRemembered: 20_000,
  /** DNS questions in progress; a further one fails at once, as if the name did not exist. */
  dnsQuestions: 200,
  /** Octets of one line on the control socket, a whole user import included; beyond it the connection is closed. */
  controlLineOctets: 8_388_608,
  /** Control connections at once; a further one is closed. */
  controlConnections: 16,
  /** Users in one import, lines; a longer file is refused whole. */
  importedUsers: 100_000,
  /** Characters in the user part of an address; `user add` refuses a longer one. */
  userNameOctets: 128,
  /** Characters in a password; `user add` and `user password` refuse a longer one. */
  passwordCharacters: 256,
  /** Contacts bound to one user; a registration that would bind more is answered 403. */
  bindingsPerUser: 16,
  /** Octets of one registered contact with its parameters; a longer one is answered 400. */
  contactOctets: 2_048,
  /** Path values of one registration; more are answered 400. */
  pathValues: 8,
  /** Ended bindings of one user remembered for those who watch his registration; the oldest are forgotten. */
  endedBindingsPerUser: 16,
  /** Bindings looked at in one turn when the box starts; the rest in further turns. */
  registrationsPerTurn: 500,
  /** Flow-Timer told to clients on connections, seconds (RFC 5626 §4.4.1). */
  flowTimerConnectionSeconds: 120,
  /** Flow-Timer told to clients on UDP, where address translators forget sooner, seconds (RFC 5626 §4.4.2). */
  flowTimerUdpSeconds: 30,
  /** Addresses and names whose failed proofs of identity are counted; beyond it the oldest is forgotten. How many: `auth.*`. */
  failuresRemembered: 10_000,
  /** Addresses and users whose requests by HTTP are counted, likewise. How many: `http.*`. */
  httpSendersRemembered: 10_000,
  /** Nonces in use whose counts are remembered; beyond it the least recently used are forgotten and count as stale. */
  noncesRemembered: 16_384,
  /** Requests the proxy has not finished with; a further one is answered 503 with Retry-After. */
  responseContexts: 10_000,
  /** Parallel branches a request may have on its whole way, and the most we let it ask for (RFC 5393 §5.3.3); 440 beyond. */
  maxBreadth: 60,
  /** Users of the box whose contacts are looked up for one request, since a contact may be another user; 482 beyond. */
  usersForwardedTo: 16,
  /** Octets of one published document; a larger one is answered 413. */
  publicationOctets: 32_768,
  /**
   * Operations of one partial publication, and nodes looked at to locate them (with characters while values are compared);
   * more are answered 400.
   */
  patch: { operations: 256, steps: 200_000 },
  /** A presence document of a notifier elsewhere to which a filter is applied here; one beyond is passed on as it came. */
  remotePidf: { bytes: 131_072, depth: 32, nodes: 16_384, attributes: 256, nameLength: 256 },
  /**
   * Filters of one subscription: 413 above `xml.bytes`, 488 above the others; one that would look at more than `steps` nodes of
   * a document is not applied. Subscriptions with filters of one subscriber to one resource; a further one is answered 503.
   */
  filter: {
    xml: { bytes: 16_384, depth: 16, nodes: 1_024, attributes: 32, nameLength: 256 },
    filters: 16,
    expressions: 64,
    expressionCharacters: 1_024,
    subscriptions: 16,
    steps: 200_000,
  },
  /** Octets of views remembered to tell what has changed in them; who was told one that is forgotten is told everything. */
  partialBaseOctets: 8_388_608,
  /** Octets of what makes one of them into another, which is made again when it is forgotten. */
  partialDifferenceOctets: 1_048_576,
  /** Octets of one composed document; the newest sources that fit together are told. */
  composedOctets: 61_440,
  /** What is composed can be read: it may have more nodes and declarations than one who publishes may send. */
  composedXml: { bytes: 1_048_576, depth: 64, nodes: 131_072, attributes: 4_096, nameLength: 4_096 },
  /** Publications of one presentity in force; a further one is answered 503 with Retry-After. */
  publicationsPerPresentity: 32,
  /** How long after its answer a request may come again, 64*T1 twice over: for so long a removal is remembered, milliseconds. */
  requestRepeatMs: 64_000,
  /** Subscriptions to one resource; a further one is answered 503 with Retry-After. */
  subscriptionsPerResource: 10_000,
  /** NOTIFYs made in one turn; the rest of a fan-out follows in further turns. */
  notificationsPerTurn: 50,
  /** How long a watcher nobody has decided upon stays known after his subscription has ended, milliseconds (RFC 3857 §4.7.1). */
  waitingWatcherMs: 7 * 86_400_000,
  /** Watchers of one presentity who wait for a decision; a further one is forgotten at once. */
  waitingWatchersPerResource: 200,
  /** Changes of a resource's watchers remembered to be told one by one; who missed more is told all watchers. */
  watcherChangesPerResource: 100,
  /** Bounds of compression, which see (`CompressionLimits`); how many compartments is a setting. */
  sigcomp: {
    perUser: 8,
    idleMs: 7_200_000,
    cycles: { perSecond: 10_000_000, burst: 20_000_000, addresses: 10_000 },
    strangersCycles: { perSecond: 5_000_000, burst: 10_000_000, addresses: 1 },
    nacks: { perSecond: 20, burst: 40, addresses: 10_000 },
    remembered: 4_096,
    streamMessageOctets: 66_000,
    streamMessageMs: 32_000,
  },
  /** Octets of one decompressed message; a longer one is not read (OUTPUT_OVERFLOW). */
  decompressedOctets: 65_535,
  /** Octets of what a handset offers to keep for us that are used, for as many are remembered here. */
  peerStateOctets: 8_192,
  /** Bounds of HTTP, which see (`HttpLimits`). */
  http: {
    headerOctets: 16_384,
    bodyOctets: 393_216,
    heldOctets: 8_388_608,
    requestMs: 20_000,
    idleMs: 65_000,
    connections: 1_000,
    connectionsPerAddress: 100,
    backlogOctets: 1_048_576,
    gzipFromOctets: 1_400,
  },
  /** Bounds of HTTP as a client, which see (`HttpClientLimits`). */
  httpClient: {
    requests: 2_000,
    connectionsPerServer: 16,
    connections: 64,
    bodyOctets: 1_048_576,
    patienceMs: 10_000,
    idleMs: 60_000,
    challengesRemembered: 100,
  },
  /**
   * Documents of XDMSs elsewhere that are kept, and their octets: beyond either, further ones count as ones that cannot be had.
   * Of one user likewise. Wanted at once: further ones wait until they are wanted again. What is not read for `unusedMs` is
   * forgotten.
   */
  remoteDocuments: { documents: 100_000, octets: 268_435_456, perUser: 64, wanted: 1_000, unusedMs: 86_400_000 },
  /** SIP requests that wait for such documents at once, and how long; 503 with Retry-After beyond either. */
  awaitingRequests: { requests: 200, waitMs: 3_000 },
  /** Bounds of an XCAP document: 413 above `bytes`, 409 local-constraint-failure above the others. */
  xcapDocument: { bytes: 393_216, depth: 32, nodes: 32_768, attributes: 64, nameLength: 256 },
  /**
   * Subscriptions to changes of documents: of one user, 503 beyond; URIs in one and their characters, 413 beyond; octets of one
   * NOTIFY, in which contents and patches, then documents are left for the next beyond; changes kept until they are told, and
   * their octets, which are told without a patch beyond.
   */
  changeSubscriptions: {
    perUser: 32,
    entries: 64,
    octets: 16_384,
    bodyOctets: 61_440,
    changes: 64,
    changeOctets: 65_536,
  },
  /** Documents of one user under one application usage; one more is answered 409 local-constraint-failure. */
  documentsPerUsage: 32,
  /** Octets of all documents of one user under one application usage; more are answered 409 local-constraint-failure. */
  documentOctetsPerUsage: 1_048_576,
  /** Sets of presence rules remembered as they were read; beyond it all are forgotten and read anew when needed. */
  ruleSetsRemembered: 1_000,
  /** Users of each application usage of whom it is remembered that they have written nothing; beyond it all are forgotten. */
  usersRemembered: 12_000,
  /** Lists that rules refer to, remembered with their members; beyond either number all are forgotten. */
  listsRemembered: 1_000,
  listMembersRemembered: 100_000,
  /**
   * Lists of resources. Subscriptions to lists of one user, each of which may have a leg for each of its members and takes a place
   * at the one address for lists that come with requests; one more is 503 with Retry-After. Services in one document, each of
   * which takes a name that no user can have then; with more it is refused with 409.
   * Members told of in one NOTIFY, and octets after which none is begun: the rest follows in further ones. Octets that no body
   * exceeds, so that a datagram holds it: a member who alone takes more is named, without his state.
   * Characters of an entry's URI, beyond which it is no member, and of the display names of an entry or list, which are shown
   * as far as they fit.
   * NOTIFYs about lists made in one turn; the rest in further turns. Of a list that another server tells of: resources, octets of
   * what is kept of them, and parts of a body; one with more is not read. Lists remembered as they were read; beyond it all are
   * forgotten and read anew when needed.
   */
  lists: {
    subscriptionsPerUser: 500,
    servicesPerUser: 100,
    resourcesPerNotify: 200,
    octetsPerNotify: 48_000,
    datagramOctets: 63_000,
    uriCharacters: 2_048,
    nameCharacters: 1_024,
    notificationsPerTurn: 10,
    remoteResources: 2_000,
    remoteOctets: 1_048_576,
    multipart: { parts: 1_000, headerOctets: 2_048 },
    nodesRemembered: 256,
  },
  /**
   * References followed from the rules of a presentity to lists, and from one list to others, and members found; a list beyond,
   * or with more, counts as one that cannot be had.
   */
  externalLists: { references: 64, members: 20_000 },
  /** Parts of one multipart body, octets of the header of one; octets of a body that comes out of a coding. 400 and 413 beyond. */
  multipart: { parts: 16, headerOctets: 2_048, octets: 262_144 },
  /**
   * Room on the disk (`DiskWatchLimits`). `lowOctets` is twice what the journal may hold that the database does not have yet: a
   * document that was let in can be kept. The reserve is room for both journal files at their usual size and one transaction of
   * theirs. Below it clients' documents, objects and new users are refused (507), with an alarm.
   */
  disk: { lowOctets: 67_108_864, slackOctets: 16_777_216, reserveOctets: 25_165_824, share: 0.5, lookMs: 5_000 },
  /**
   * Objects of one user on the Content Server; one more is 507. Pixels of one image, of all pictures of an animation, and octets of
   * what it carries deflated beside its picture; with more it is 415. Publications that wait for a Content Server elsewhere, and requests of clients; one more is
   * 503.
   */
  content: {
    objectsPerUser: 64,
    imagePixels: 4_194_304,
    animationPixels: 67_108_864,
    foldedOctets: 16_384,
    publicationsWaiting: 32,
    requestsWaiting: 64,
  },
} as const
