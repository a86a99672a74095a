/**
 * The memory budget: every bound of the product with what happens at the bound. Libraries take theirs as constructor
 * options, so that this is the one place to look.
 */

export const limits = {
  /** Largest SIP message taken from a stream, octets; a larger one is answered 513 and its connection closed. */
  sipMessageOctets: 65_536,
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
  /** How long a peer may take from the first octet of a message on a stream to its last; then the connection is closed. */
  messageCompletionMs: 30_000,
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
} as const
