// A running server: its address, its threads, its health, and how it ends.
#pragma once

#include <gerank/status.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

namespace gerank::server {

struct FrontNumbers;
struct Served;

struct FrontOptions {
  // `host:port`, `[IPv6]:port` or `unix:path`; port 0 takes a free one.
  std::string address = "127.0.0.1:50051";

  // Threads that read, check and write calls. One serves what one core can; the model has the
  // engine's workers besides.
  int threads = 1;

  // Largest message of one call; a larger one gets RESOURCE_EXHAUSTED.
  int max_message_bytes = 16 << 20;

  // Calls of one connection at once; a client that honours HTTP/2 queues the others itself.
  int max_calls_per_connection = 4096;

  // Headers of one call, each counted with 32 bytes more; with larger ones it gets
  // RESOURCE_EXHAUSTED.
  int max_header_bytes = 16 << 10;

  // Messages and answers that are held at once, of all connections and of one. Beyond that large
  // messages are let in one after the other, and small ones get RESOURCE_EXHAUSTED. One message may
  // always come. Large messages leave a sixteenth of the bytes of all connections to small ones;
  // requests that do not come on for `keepalive_timeout` are ended once half of them is used.
  std::int64_t buffer_bytes = 256 << 20;
  std::int64_t connection_buffer_bytes = 64 << 20;

  // A caller that was silent so long gets a PING, and must answer it in time.
  std::chrono::seconds keepalive{120};
  std::chrono::seconds keepalive_timeout{20};

  // After so long a connection takes no new calls, and its caller opens another. 0: never.
  std::chrono::seconds max_connection_age{0};

  // PEM files: the server's certificate, with those between it and the root, and its key. With them
  // the front speaks TLS and nothing else.
  std::string tls_certificate, tls_key;

  // These are certificates of authorities, in PEM: a client must show one that they signed.
  std::string tls_client_ca;

  // Tokens, one per line, of which every call but those of grpc.health.v1 must bring one:
  // `authorization: Bearer TOKEN`. Otherwise it gets UNAUTHENTICATED.
  std::string token_file;

  // Whether the front may do without TLS where others than this machine can reach it.
  bool plaintext = false;

  // Whether grpc.reflection is served.
  bool reflection = true;

  // Stands before the names of its options `address`, `token_file` and `plaintext` in messages.
  std::string prefix;
};

// Some services, with grpc.health.v1 and server reflection, at one address. Reports NOT_SERVING
// until set_serving(true) was called.
//
// Thread-safe but for the destructor.
class Front {
 public:
  // kInvalidArgument for options of TLS that do not belong together, and for files that cannot be
  // used; kUnavailable if the address lies nowhere.
  static Status start(const FrontOptions& options, Served served, std::unique_ptr<Front>* front);

  // stop() with no grace.
  ~Front();

  // Takes callers from now on; before, their connections are refused. To be called once, before
  // stop(). kUnavailable, which names the option, if the port is in use, or the address is not one
  // of this machine.
  Status listen();

  // After listen(): the port it listens on, also where the address asked for port 0; 1 for a socket
  // in a folder.
  int port() const;

  // What grpc.health.v1 reports, of the server and of its services.
  void set_serving(bool serving);
  bool is_serving() const;

  // Reads the files of TLS and tokens again, which is done about every second besides where they
  // have changed. New connections use the new certificate, new calls the new tokens. Files that
  // cannot be used are told in the log, and what was read before is used on.
  void reload_credentials();

  // What it has counted, and what it holds now.
  FrontNumbers numbers() const;

  // Drains: reports NOT_SERVING, listens no more, tells every caller to send new calls elsewhere,
  // serves those that came before it has heard, closes. Returns when that is done; a second call
  // waits for it too. Calls that are still queued after `grace` get UNAVAILABLE.
  void stop(std::chrono::microseconds grace);

 private:
  struct State;
  explicit Front(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

}  // namespace gerank::server
