// Bytes as what a client sends on one connection of the front: sockets, HTTP/2, gRPC, methods.
//
// The first byte says how: its lowest bit, whether the preface of HTTP/2 goes before; the next
// three, in which pieces the rest is sent; another, whether memory is scarce. When the client has
// left, nothing of it may be left: no connection, no call, no byte of the budget.

#include <gerank/engine.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>

#include "credentials.h"
#include "first_candidates.h"
#include "front_thread.h"
#include "http2/byte_budget.h"
#include "http2/limits.h"
#include "log/log.h"
#include "methods/service.h"
#include "ranking_services.h"
#include "routes/route_table.h"

namespace {

using namespace gerank::server;
using std::chrono::steady_clock;

constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
constexpr std::chrono::seconds kPatience{5};

// A front of one thread, which is this one: nothing runs but by turn().
class SteppedFront {
 public:
  explicit SteppedFront(std::int64_t buffer_bytes)
      : engine_(start_engine()),
        served_(serve_ranking(*engine_, routes_, nullptr)),
        service_{*engine_, routes_, nullptr, served_.names},
        limits_{1 << 16,
                16,
                1 << 12,
                buffer_bytes / 2,
                std::chrono::seconds(120),
                std::chrono::seconds(20),
                std::chrono::seconds(0)},
        credentials_({}, "", "token_file"),
        budget_(buffer_bytes, buffer_bytes / 16),
        thread_({service_, served_, limits_, credentials_, budget_, true, [] {}, [] {}}) {
    service_.serving = true;
  }

  void add(int descriptor) { thread_.add(descriptor); }
  void turn() { uv_run(thread_.loop().handle(), UV_RUN_NOWAIT); }

  bool has_open_calls() const { return service_.open_calls != 0; }
  bool is_empty() const {
    return !has_open_calls() && thread_.counts().connections.get() == 0 && budget_.held() == 0;
  }

 private:
  const std::unique_ptr<gerank::Engine> engine_;
  RouteTable routes_;
  const Served served_;
  Service service_;
  const Limits limits_;
  Credentials credentials_;
  ByteBudget budget_;
  FrontThread thread_;
};

// One connection to it. Its client reads whatever comes.
class Client {
 public:
  explicit Client(SteppedFront& front) : front_(front) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) std::abort();
    descriptor_ = ends[0];
    front_.add(ends[1]);
    front_.turn();
  }

  ~Client() { close(descriptor_); }

  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent > 0) bytes.remove_prefix(std::size_t(sent));
      if (sent < 0 && errno != EAGAIN) return;  // the server has hung up
      turn();
    }
  }

  void turn() {
    front_.turn();
    char answers[1 << 14];
    while (recv(descriptor_, answers, sizeof answers, 0) > 0) {
    }
  }

 private:
  SteppedFront& front_;
  int descriptor_;
};

// Serves until `condition` holds; that it never does is what is looked for.
template <typename Turn, typename Condition>
void await(const char* what, const Turn& turn, const Condition& condition) {
  const auto end = steady_clock::now() + kPatience;
  while (!condition()) {
    turn();
    if (steady_clock::now() < end) continue;
    std::fprintf(stderr, "%s\n", what);
    std::abort();
  }
}

void serve(SteppedFront& front, std::string_view bytes, bool preface, std::size_t piece) {
  {
    Client client(front);
    if (preface) client.send(kPreface);
    for (std::size_t at = 0; at < bytes.size(); at += piece) client.send(bytes.substr(at, piece));
    // Calls that came whole are answered soon; others wait for what never comes.
    const auto end = steady_clock::now() + std::chrono::milliseconds(1);
    while (front.has_open_calls() && steady_clock::now() < end) client.turn();
  }
  await(
      "the client has left, and something is left of it", [&] { front.turn(); },
      [&] { return front.is_empty(); });
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  Log::of_process().configure(LogLevel::kError, LogFormat::kJson);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static auto& ample = *new SteppedFront(1 << 24);
  static auto& scarce = *new SteppedFront(1 << 17);
  if (size == 0) return 0;
  const std::uint8_t how = data[0];
  constexpr std::size_t kPieces[] = {1 << 16, 1 << 14, 1 << 10, 256, 64, 16, 9, 3};
  serve(how & 16 ? scarce : ample, {reinterpret_cast<const char*>(data) + 1, size - 1},
        (how & 1) == 0, kPieces[how >> 1 & 7]);
  return 0;
}
