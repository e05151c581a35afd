#include "front.h"

#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <future>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "front_thread.h"
#include "http2/byte_budget.h"
#include "http2/limits.h"
#include "methods/served.h"
#include "metrics/front_numbers.h"
#include "net/listener.h"

namespace gerank::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// What a stop without grace still grants, so that callers hear of it.
constexpr milliseconds kQuiet{100};

// How often files are looked at.
constexpr milliseconds kFollowing{1000};

// So many bytes of large messages and answers leave enough in malloc's hands to ask for it back.
constexpr std::int64_t kWorthTrimming = 16 << 20;

// Below so many bytes held a burst is over.
constexpr std::int64_t kQuietBytes = 1 << 20;

// The part of the bytes that are held at once which large messages leave to small ones.
constexpr std::int64_t kReservePart = 16;

// Whether the options of TLS belong together. The table of options has checked each by itself.
Status check_tls(const FrontOptions& options) {
  const bool has_certificate = !options.tls_certificate.empty(), has_key = !options.tls_key.empty();
  if (has_certificate != has_key) {
    return Status::invalid(
        has_key ? "tls_certificate" : "tls_key", "none",
        has_key ? "must be given with tls_key" : "must be given with tls_certificate");
  }
  if (!options.tls_client_ca.empty() && !has_certificate) {
    return Status::invalid("tls_certificate", "none", "must be given with tls_client_ca");
  }
  if (options.plaintext && has_certificate) {
    return Status::invalid(options.prefix + "plaintext", "both",
                           "must not be given with tls_certificate");
  }
  return {};
}

Limits limits_of(const FrontOptions& options) {
  return {std::uint32_t(options.max_message_bytes),
          std::uint32_t(options.max_calls_per_connection),
          std::uint32_t(options.max_header_bytes),
          options.connection_buffer_bytes,
          options.keepalive,
          options.keepalive_timeout,
          options.max_connection_age};
}

}  // namespace

struct Front::State {
  State(const FrontOptions& options, Served&& all)
      : served(std::move(all)),
        address_option(options.prefix + "address"),
        service{served.engine, served.routes, served.exposures, served.names},
        limits(limits_of(options)),
        credentials({options.tls_certificate, options.tls_key, options.tls_client_ca},
                    options.token_file, options.prefix + "token_file"),
        budget(options.buffer_bytes, options.buffer_bytes / kReservePart),
        listener(options.address, [this](int descriptor) { hand_out(descriptor); }) {
    const FrontThread::Shared shared{
        service,
        served,
        limits,
        credentials,
        budget,
        options.reflection,
        [this] { threads.front()->loop().post([this] { listener.retry(); }); },
        [this] { tell_of_room(); }};
    for (int i = 0; i < options.threads; ++i) {
      threads.push_back(std::make_unique<FrontThread>(shared));
    }
  }

  // What is wrong with the address, told by the option that it is from.
  Status of_address(const Status& status) const {
    return {status.code(), address_option + ": " + status.message()};
  }

  // The connections go round. On the first thread, which takes them.
  void hand_out(int descriptor) { threads[next++ % threads.size()]->add(descriptor); }

  void tell_of_room() {
    for (const auto& thread : threads) thread->let_in();
  }

  // Gives the machine back what a burst of large answers has left in malloc's hands: glibc maps
  // large blocks, but once one was freed it takes the next from its heaps, and keeps them.
  void give_memory_back() {
    const std::int64_t passed = budget.large_passed();
    if (passed - passed_before < kWorthTrimming || budget.held() >= kWorthTrimming) return;
    // What is still held leaves something behind, too: then the next second sees to it again.
    if (budget.held() < kQuietBytes) passed_before = passed;
#ifdef __GLIBC__
    malloc_trim(0);
#endif
  }

  // Takes no connections from now on; returns when that is so.
  void close_listener() {
    std::promise<void> closed;
    threads.front()->loop().post([&] {
      listener.close();
      closed.set_value();
    });
    closed.get_future().wait();
  }

  // Returns when `condition` holds, or at `end`.
  template <typename Condition>
  static void await(steady_clock::time_point end, const Condition& condition) {
    while (!condition() && steady_clock::now() < end) std::this_thread::sleep_for(milliseconds(1));
  }

  bool has_left() const {
    return std::all_of(threads.begin(), threads.end(),
                       [](const auto& thread) { return thread->has_left(); });
  }

  const Served served;
  const std::string address_option;
  Service service;
  const Limits limits;
  Credentials credentials;
  ByteBudget budget;
  Listener listener;
  std::vector<std::unique_ptr<FrontThread>> threads;
  std::size_t next = 0;
  std::int64_t passed_before = 0;  // of large bytes, when memory was given back
  std::mutex mutex;                // of set_serving
  std::once_flag stopped;
};

Status Front::start(const FrontOptions& options, Served served, std::unique_ptr<Front>* front) try {
  if (Status status = check_tls(options); !status) return status;
  auto state = std::make_unique<State>(options, std::move(served));
  if (Status status = state->credentials.load(); !status) return status;
  if (Status status = state->listener.locate(); !status) return state->of_address(status);
  if (options.tls_certificate.empty() && !options.plaintext && !state->listener.is_local()) {
    return Status::invalid(options.prefix + "address", options.address,
                           "must be a loopback address or unix:path unless tls_certificate and "
                           "tls_key are given, or " +
                               options.prefix + "plaintext");
  }
  for (const auto& thread : state->threads) {
    const bool follows = thread == state->threads.front();
    thread->start([follows, at = state.get()] {
      if (!follows) return;
      at->threads.front()->repeat(kFollowing, [at] {
        at->credentials.follow_changes();
        at->give_memory_back();
      });
    });
  }
  front->reset(new Front(std::move(state)));
  return {};
} catch (const std::exception& error) {
  return {Code::kUnavailable, std::string("no front can be started: ") + error.what()};
}

Status Front::listen() {
  if (Status status = state_->listener.open(); !status) return state_->of_address(status);
  Loop& loop = state_->threads.front()->loop();
  loop.post([&listener = state_->listener, &loop] { listener.start(loop); });
  return {};
}

Front::Front(std::unique_ptr<State> state) : state_(std::move(state)) {}

Front::~Front() { stop(std::chrono::microseconds(0)); }

int Front::port() const { return state_->listener.port(); }

void Front::set_serving(bool serving) {
  const std::lock_guard lock(state_->mutex);
  if (state_->service.draining) return;
  state_->service.serving = serving;
  for (const auto& thread : state_->threads) thread->refresh_health();
}

void Front::reload_credentials() { state_->credentials.reload(); }
bool Front::is_serving() const { return state_->service.serving; }

FrontNumbers Front::numbers() const {
  FrontNumbers all;
  const auto add = [&all](const std::string& path, const EndedCalls& ended) {
    auto& calls = all.calls[path];
    for (std::size_t code = 0; code < kStatusCodes; ++code) calls[code] += ended[code].get();
  };
  std::uint64_t streams_closed = 0;
  for (const auto& thread : state_->threads) {
    const ThreadCounts& counts = thread->counts();
    streams_closed += counts.streams_closed.get();
    all.streams_opened += counts.streams_opened.get();
    all.streams_refused += counts.streams_refused.get();
    all.connections += counts.connections.get();
    all.connections_opened += counts.connections_opened.get();
    all.not_grpc += counts.not_grpc.get();
    add("", counts.no_method);
    thread->methods().for_each(
        [&](const std::string& path, const Method& method) { add(path, method.ended); });
  }
  all.streams = all.streams_opened - std::min(all.streams_opened, streams_closed);
  all.held_bytes = state_->budget.held();
  all.held_bytes_limit = state_->budget.limit();
  return all;
}

void Front::stop(std::chrono::microseconds grace) {
  std::call_once(state_->stopped, [this, grace] {
    State& state = *state_;
    const auto begin = steady_clock::now();
    const auto end = begin + std::max<std::chrono::microseconds>(grace, kQuiet);
    set_serving(false);
    state.close_listener();
    for (const auto& thread : state.threads) thread->leave();
    state.await(std::min(end, begin + kLongestLeave), [&] { return state.has_left(); });
    for (const auto& thread : state.threads) thread->leave_now();
    const auto no_call_is_open = [&] { return state.service.open_calls == 0; };
    if (grace.count() > 0) state.await(begin + grace, no_call_is_open);
    {
      const std::lock_guard lock(state.mutex);
      state.service.draining = true;
    }
    const auto left = begin + grace - steady_clock::now();
    state.served.end(std::max(std::chrono::duration_cast<Microseconds>(left), Microseconds(0)));
    state.await(steady_clock::now() + kQuiet, no_call_is_open);
    for (const auto& thread : state.threads) thread->stop(kQuiet);
  });
}

}  // namespace gerank::server
