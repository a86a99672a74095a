/*
 * UDP by recvmmsg(2) and sendmmsg(2): up to 64 datagrams cost one system call and one call between C and JavaScript, where
 * node:dgram spends both, an allocation of 64 KiB and a request object on each. Linux only, N-API version 8.
 *
 * JavaScript owns all memory. Datagrams stand in an array of octets; what is known of each in an Int32Array, eight words
 * apiece, in which addresses travel as the octets they are, so that nothing is formatted or parsed for a known peer.
 * udp-batch.ts is the other side of everything here.
 */

#define _GNU_SOURCE
#define NAPI_VERSION 8

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <node_api.h>
#include <uv.h>

/* Changes with whatever JavaScript must know of this file: another build's is not used. */
#define INTERFACE 1

#define DATAGRAMS 64
/* No UDP datagram is longer, so that none is cut. */
#define SLOT_OCTETS 65536

/* The words of one datagram. IPv4 addresses take the first word of four. */
enum { OFFSET, LENGTH, PORT, SCOPE, ADDRESS, WORDS = ADDRESS + 4 };

typedef struct {
  uv_poll_t poll;
  int descriptor;
  bool awaits_writable;
  bool is_closing;
  bool is_closed;
  napi_env env;
  /* Called with how many datagrams have come or an error below 0, and when there is room for sending again. */
  napi_ref received;
  napi_ref writable;
  napi_ref closed;
  /* Keep the memory below where it is. */
  napi_ref octets_ref;
  napi_ref words_ref;
  int32_t* words;
  struct mmsghdr messages[DATAGRAMS];
  struct iovec parts[DATAGRAMS];
  struct sockaddr_storage peers[DATAGRAMS];
} Socket;

static napi_value throw_errno(napi_env env, int error) {
  napi_throw_error(env, uv_err_name(-error), uv_strerror(-error));
  return NULL;
}

static napi_value number(napi_env env, int value) {
  napi_value result;
  return napi_create_int32(env, value, &result) == napi_ok ? result : NULL;
}

static bool arguments(napi_env env, napi_callback_info info, size_t count, napi_value* values) {
  size_t given = count;
  if (napi_get_cb_info(env, info, &given, values, NULL, NULL) == napi_ok && given == count) return true;
  napi_throw_type_error(env, NULL, "wrong number of arguments");
  return false;
}

static int32_t int_of(napi_env env, napi_value value) {
  int32_t result = 0;
  napi_get_value_int32(env, value, &result);
  return result;
}

/* The memory of a typed array, and its length in elements. */
static void* memory_of(napi_env env, napi_value array, size_t* length) {
  void* data = NULL;
  *length = 0;
  napi_get_typedarray_info(env, array, NULL, length, &data, NULL, NULL);
  return data;
}

/* Addresses */

static socklen_t write_address(const int32_t* words, int family, struct sockaddr_storage* out) {
  memset(out, 0, sizeof *out);
  if (family == AF_INET) {
    struct sockaddr_in* v4 = (struct sockaddr_in*)out;
    v4->sin_family = AF_INET;
    v4->sin_port = htons((uint16_t)words[PORT]);
    memcpy(&v4->sin_addr, &words[ADDRESS], sizeof v4->sin_addr);
    return sizeof *v4;
  }
  struct sockaddr_in6* v6 = (struct sockaddr_in6*)out;
  v6->sin6_family = AF_INET6;
  v6->sin6_port = htons((uint16_t)words[PORT]);
  v6->sin6_scope_id = (uint32_t)words[SCOPE];
  memcpy(&v6->sin6_addr, &words[ADDRESS], sizeof v6->sin6_addr);
  return sizeof *v6;
}

static void read_address(const struct sockaddr_storage* from, int32_t* words) {
  memset(&words[PORT], 0, (WORDS - PORT) * sizeof *words);
  if (from->ss_family == AF_INET) {
    const struct sockaddr_in* v4 = (const struct sockaddr_in*)from;
    words[PORT] = ntohs(v4->sin_port);
    memcpy(&words[ADDRESS], &v4->sin_addr, sizeof v4->sin_addr);
  } else if (from->ss_family == AF_INET6) {
    const struct sockaddr_in6* v6 = (const struct sockaddr_in6*)from;
    words[PORT] = ntohs(v6->sin6_port);
    words[SCOPE] = (int32_t)v6->sin6_scope_id;
    memcpy(&words[ADDRESS], &v6->sin6_addr, sizeof v6->sin6_addr);
  }
}

/* A numeric address, with `%interface` if need be, as libuv and so node:dgram reads it. False when it is none. */
static bool parse_address(const char* text, int port, struct sockaddr_storage* out) {
  memset(out, 0, sizeof *out);
  if (strchr(text, ':') != NULL) return uv_ip6_addr(text, port, (struct sockaddr_in6*)out) == 0;
  return uv_ip4_addr(text, port, (struct sockaddr_in*)out) == 0;
}

/* parse(address, port, words): whether it is a numeric address; then PORT, SCOPE and ADDRESS of the first datagram. */
static napi_value parse(napi_env env, napi_callback_info info) {
  napi_value argument[3], result;
  char text[INET6_ADDRSTRLEN + UV_IF_NAMESIZE + 1];
  size_t length;
  struct sockaddr_storage address;
  if (!arguments(env, info, 3, argument)) return NULL;
  if (napi_get_value_string_latin1(env, argument[0], text, sizeof text, NULL) != napi_ok) return NULL;
  int32_t* words = memory_of(env, argument[2], &length);
  bool is_address = length >= WORDS && parse_address(text, int_of(env, argument[1]), &address);
  if (is_address) read_address(&address, words);
  napi_get_boolean(env, is_address, &result);
  return result;
}

/* format(words, index, isIpv6): the address of a datagram as text, as node:dgram writes it. */
static napi_value format(napi_env env, napi_callback_info info) {
  napi_value argument[3], result;
  bool is_ipv6 = false;
  char text[INET6_ADDRSTRLEN + UV_IF_NAMESIZE + 1] = "";
  size_t length, room = UV_IF_NAMESIZE;
  if (!arguments(env, info, 3, argument)) return NULL;
  const int32_t* words = memory_of(env, argument[0], &length);
  int32_t index = int_of(env, argument[1]);
  napi_get_value_bool(env, argument[2], &is_ipv6);
  if (index < 0 || (size_t)(index + 1) * WORDS > length) return throw_errno(env, EINVAL);
  words += index * WORDS;
  inet_ntop(is_ipv6 ? AF_INET6 : AF_INET, &words[ADDRESS], text, INET6_ADDRSTRLEN);
  /* Only link-local addresses have a scope. */
  if (is_ipv6 && words[SCOPE] != 0) {
    size_t end = strlen(text);
    text[end++] = '%';
    if (uv_if_indextoiid((unsigned)words[SCOPE], text + end, &room) != 0) text[end - 1] = 0;
  }
  napi_create_string_latin1(env, text, NAPI_AUTO_LENGTH, &result);
  return result;
}

/* Receiving */

/* Calls back as the event loop does: what the callback leaves for later is done on return. */
static void call(Socket* socket, napi_ref callback, size_t count, const napi_value* values) {
  napi_env env = socket->env;
  napi_value function, global, error;
  if (callback == NULL) return;
  napi_get_reference_value(env, callback, &function);
  napi_get_global(env, &global);
  if (napi_make_callback(env, NULL, global, function, count, values, NULL) != napi_pending_exception) return;
  napi_get_and_clear_last_exception(env, &error);
  napi_fatal_exception(env, error);
}

static void tell_received(Socket* socket, int count) {
  napi_handle_scope scope;
  napi_open_handle_scope(socket->env, &scope);
  napi_value value = number(socket->env, count);
  call(socket, socket->received, 1, &value);
  napi_close_handle_scope(socket->env, scope);
}

static int receive(Socket* socket) {
  for (int at = 0; at < DATAGRAMS; at++) socket->messages[at].msg_hdr.msg_namelen = sizeof socket->peers[at];
  int count;
  do count = recvmmsg(socket->descriptor, socket->messages, DATAGRAMS, MSG_DONTWAIT, NULL);
  while (count < 0 && errno == EINTR);
  if (count < 0) return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
  for (int at = 0; at < count; at++) {
    int32_t* words = socket->words + at * WORDS;
    words[OFFSET] = at * SLOT_OCTETS;
    words[LENGTH] = (int32_t)socket->messages[at].msg_len;
    read_address(&socket->peers[at], words);
  }
  return count;
}

static void on_event(uv_poll_t* poll, int status, int events);

static void watch(Socket* socket) {
  uv_poll_start(&socket->poll, UV_READABLE | (socket->awaits_writable ? UV_WRITABLE : 0), on_event);
}

static void on_event(uv_poll_t* poll, int status, int events) {
  Socket* socket = poll->data;
  if (status < 0) {
    /* libuv has stopped to watch: the socket has an error pending, which reading it clears. */
    int error = 0;
    socklen_t length = sizeof error;
    getsockopt(socket->descriptor, SOL_SOCKET, SO_ERROR, &error, &length);
    watch(socket);
    tell_received(socket, error == 0 ? status : -error);
    return;
  }
  if ((events & UV_WRITABLE) != 0 && socket->awaits_writable) {
    socket->awaits_writable = false;
    watch(socket);
    napi_handle_scope scope;
    napi_open_handle_scope(socket->env, &scope);
    call(socket, socket->writable, 0, NULL);
    napi_close_handle_scope(socket->env, scope);
  }
  if ((events & UV_READABLE) != 0 && !socket->is_closing) {
    int count = receive(socket);
    if (count != 0) tell_received(socket, count);
  }
}

/* Sending */

/*
 * send(socket, octets, words, first, end): hands datagrams `first` to `end` to the kernel; how many it has taken, or, when
 * it has refused the first of them, the error below 0.
 */
static napi_value send_datagrams(napi_env env, napi_callback_info info) {
  napi_value argument[5];
  Socket* socket;
  size_t octets, length;
  if (!arguments(env, info, 5, argument)) return NULL;
  if (napi_get_value_external(env, argument[0], (void**)&socket) != napi_ok) return NULL;
  char* data = memory_of(env, argument[1], &octets);
  const int32_t* words = memory_of(env, argument[2], &length);
  int32_t first = int_of(env, argument[3]), end = int_of(env, argument[4]);
  if (socket->is_closing) return number(env, -EBADF);
  if (first < 0 || end <= first || (size_t)end * WORDS > length) return number(env, -EINVAL);
  if (end - first > DATAGRAMS) end = first + DATAGRAMS;

  struct mmsghdr messages[DATAGRAMS];
  struct iovec parts[DATAGRAMS];
  struct sockaddr_storage peers[DATAGRAMS];
  struct sockaddr_storage own;
  socklen_t own_length = sizeof own;
  if (getsockname(socket->descriptor, (struct sockaddr*)&own, &own_length) != 0) return number(env, -errno);
  memset(messages, 0, sizeof messages);
  for (int at = 0; at < end - first; at++) {
    const int32_t* datagram = words + (first + at) * WORDS;
    if (datagram[OFFSET] < 0 || datagram[LENGTH] < 0 || (size_t)datagram[OFFSET] + (size_t)datagram[LENGTH] > octets)
      return number(env, -EINVAL);
    parts[at] = (struct iovec){data + datagram[OFFSET], (size_t)datagram[LENGTH]};
    messages[at].msg_hdr.msg_iov = &parts[at];
    messages[at].msg_hdr.msg_iovlen = 1;
    messages[at].msg_hdr.msg_name = &peers[at];
    messages[at].msg_hdr.msg_namelen = write_address(datagram, own.ss_family, &peers[at]);
  }
  int count;
  do count = sendmmsg(socket->descriptor, messages, (unsigned)(end - first), MSG_DONTWAIT);
  while (count < 0 && errno == EINTR);
  return number(env, count < 0 ? -errno : count);
}

/* awaitWritable(socket): `writable` is called once the kernel takes datagrams again. */
static napi_value await_writable(napi_env env, napi_callback_info info) {
  napi_value argument[1];
  Socket* socket;
  if (!arguments(env, info, 1, argument)) return NULL;
  if (napi_get_value_external(env, argument[0], (void**)&socket) != napi_ok || socket->is_closing) return NULL;
  socket->awaits_writable = true;
  watch(socket);
  return NULL;
}

/* Opening and closing */

static int bound_socket(const struct sockaddr_storage* address, int receive_buffer) {
  bool is_ipv6 = address->ss_family == AF_INET6;
  int one = 1;
  int descriptor = socket(address->ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return -errno;
  /* A smaller buffer than asked for may only drop sooner under a burst. */
  setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  if ((is_ipv6 && setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one) != 0) ||
      bind(descriptor, (const struct sockaddr*)address, is_ipv6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in)) != 0) {
    int error = errno;
    close(descriptor);
    return -error;
  }
  return descriptor;
}

static void finalize(napi_env env, void* data, void* hint) {
  (void)env, (void)hint;
  Socket* socket = data;
  /* Only the end of the process finds a socket that is still open, and takes it along. */
  if (socket->is_closed) free(socket);
}

/* open(address, port, receiveBufferOctets, octets, words, received, writable): a bound socket. Throws the system's error. */
static napi_value open_socket(napi_env env, napi_callback_info info) {
  napi_value argument[7], result;
  char text[INET6_ADDRSTRLEN + UV_IF_NAMESIZE + 1];
  struct sockaddr_storage address;
  size_t octets, length;
  uv_loop_t* loop;
  if (!arguments(env, info, 7, argument)) return NULL;
  if (napi_get_value_string_latin1(env, argument[0], text, sizeof text, NULL) != napi_ok) return NULL;
  char* data = memory_of(env, argument[3], &octets);
  int32_t* words = memory_of(env, argument[4], &length);
  if (octets < (size_t)DATAGRAMS * SLOT_OCTETS || length < DATAGRAMS * WORDS) return throw_errno(env, EINVAL);
  if (!parse_address(text, int_of(env, argument[1]), &address)) return throw_errno(env, EINVAL);
  if (napi_get_uv_event_loop(env, &loop) != napi_ok) return throw_errno(env, ENOSYS);

  int descriptor = bound_socket(&address, int_of(env, argument[2]));
  if (descriptor < 0) return throw_errno(env, -descriptor);
  Socket* socket = calloc(1, sizeof *socket);
  if (socket == NULL || uv_poll_init(loop, &socket->poll, descriptor) != 0) {
    free(socket);
    close(descriptor);
    return throw_errno(env, ENOMEM);
  }
  socket->poll.data = socket;
  socket->descriptor = descriptor;
  socket->env = env;
  socket->words = words;
  for (int at = 0; at < DATAGRAMS; at++) {
    socket->parts[at] = (struct iovec){data + (size_t)at * SLOT_OCTETS, SLOT_OCTETS};
    socket->messages[at].msg_hdr.msg_iov = &socket->parts[at];
    socket->messages[at].msg_hdr.msg_iovlen = 1;
    socket->messages[at].msg_hdr.msg_name = &socket->peers[at];
  }
  napi_create_reference(env, argument[3], 1, &socket->octets_ref);
  napi_create_reference(env, argument[4], 1, &socket->words_ref);
  napi_create_reference(env, argument[5], 1, &socket->received);
  napi_create_reference(env, argument[6], 1, &socket->writable);
  watch(socket);
  napi_create_external(env, socket, finalize, NULL, &result);
  return result;
}

/* port(socket): the port it is bound to. */
static napi_value port_of(napi_env env, napi_callback_info info) {
  napi_value argument[1];
  Socket* socket;
  struct sockaddr_storage own;
  socklen_t length = sizeof own;
  int32_t words[WORDS];
  if (!arguments(env, info, 1, argument)) return NULL;
  if (napi_get_value_external(env, argument[0], (void**)&socket) != napi_ok) return NULL;
  if (getsockname(socket->descriptor, (struct sockaddr*)&own, &length) != 0) return throw_errno(env, errno);
  read_address(&own, words);
  return number(env, words[PORT]);
}

static void on_closed(uv_handle_t* handle) {
  Socket* socket = handle->data;
  napi_env env = socket->env;
  napi_ref references[] = {socket->received, socket->writable, socket->octets_ref, socket->words_ref};
  napi_handle_scope scope;
  close(socket->descriptor);
  socket->is_closed = true;
  for (size_t at = 0; at < sizeof references / sizeof *references; at++) napi_delete_reference(env, references[at]);
  napi_ref closed = socket->closed;
  napi_open_handle_scope(env, &scope);
  call(socket, closed, 0, NULL);
  napi_delete_reference(env, closed);
  napi_close_handle_scope(env, scope);
}

/* close(socket, closed): nothing more is received or sent; `closed` is called when the port is free again. */
static napi_value close_socket(napi_env env, napi_callback_info info) {
  napi_value argument[2];
  Socket* socket;
  if (!arguments(env, info, 2, argument)) return NULL;
  if (napi_get_value_external(env, argument[0], (void**)&socket) != napi_ok || socket->is_closing) return NULL;
  socket->is_closing = true;
  napi_create_reference(env, argument[1], 1, &socket->closed);
  uv_close((uv_handle_t*)&socket->poll, on_closed);
  return NULL;
}

NAPI_MODULE_INIT() {
  const napi_property_descriptor properties[] = {
      {"interfaceVersion", NULL, NULL, NULL, NULL, number(env, INTERFACE), napi_enumerable, NULL},
      {"open", NULL, open_socket, NULL, NULL, NULL, napi_enumerable, NULL},
      {"port", NULL, port_of, NULL, NULL, NULL, napi_enumerable, NULL},
      {"send", NULL, send_datagrams, NULL, NULL, NULL, napi_enumerable, NULL},
      {"awaitWritable", NULL, await_writable, NULL, NULL, NULL, napi_enumerable, NULL},
      {"close", NULL, close_socket, NULL, NULL, NULL, napi_enumerable, NULL},
      {"parse", NULL, parse, NULL, NULL, NULL, napi_enumerable, NULL},
      {"format", NULL, format, NULL, NULL, NULL, napi_enumerable, NULL},
  };
  napi_define_properties(env, exports, sizeof properties / sizeof *properties, properties);
  return exports;
}
