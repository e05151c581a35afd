#include "front.h"

#include <absl/synchronization/mutex.h>
#include <google/protobuf/stubs/logging.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "front_thread.h"
#include "health.h"
#include "listening_address.h"
#include "service.h"

namespace gerank::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// Callers that have not yet heard that we leave still call; when none did for so long, all know.
constexpr milliseconds kQuiet{100};

Status check(const FrontOptions& options) {
  if (options.threads < 1 || options.threads > 256) {
    return Status::invalid("threads", std::to_string(options.threads),
                           "must be an integer in [1, 256]");
  }
  if (options.max_message_bytes < 1) {
    return Status::invalid("max_message_bytes", std::to_string(options.max_message_bytes),
                           "must be at least 1");
  }
  if (options.max_calls_per_connection < 1) {
    return Status::invalid("max_calls_per_connection",
                           std::to_string(options.max_calls_per_connection), "must be at least 1");
  }
  return {};
}

// What concerns the whole process.
void prepare_grpc() {
  static std::once_flag once;
  std::call_once(once, [] {
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    // It would write a line for every malformed message: whoever sent it is told instead.
    google::protobuf::SetLogHandler(nullptr);
    // Debian's abseil looks for deadlocks at every lock, on by default: 3 % of a call.
    absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  });
}

}  // namespace

struct Front::State {
  explicit State(Engine& engine) : service(engine) {}

  // Waits until every call was answered and no new one came for a while, or until `end`.
  void await_quiet(steady_clock::time_point end) {
    std::uint64_t seen = service.arrived.load();
    auto quiet_since = steady_clock::now();
    while (steady_clock::now() < end) {
      std::this_thread::sleep_for(milliseconds(2));
      const std::uint64_t arrived = service.arrived.load();
      if (arrived != seen || service.open.load() > 0) quiet_since = steady_clock::now();
      seen = arrived;
      if (steady_clock::now() - quiet_since >= kQuiet) return;
    }
  }

  Service service;
  Health health;
  int port = 0;
  std::unique_ptr<grpc::Server> server;
  std::vector<std::unique_ptr<FrontThread>> front_threads;
  std::mutex mutex;  // of set_serving
  std::once_flag stopped;
};

Status Front::start(const FrontOptions& options, Engine& engine, std::unique_ptr<Front>* front) {
  if (Status status = check(options); !status.ok()) return status;
  if (is_taken(options.address)) {
    return {Code::kUnavailable, "cannot listen on " + options.address + ": a server listens there"};
  }
  prepare_grpc();
  auto state = std::make_unique<State>(engine);
  grpc::ServerBuilder builder;
  builder.AddListeningPort(options.address, grpc::InsecureServerCredentials(), &state->port);
  builder.RegisterService(&state->service.methods);
  builder.RegisterService(&state->health.methods);
  builder.SetMaxReceiveMessageSize(options.max_message_bytes);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);  // else two servers share one port
  builder.AddChannelArgument(GRPC_ARG_ENABLE_CHANNELZ, 0);  // nobody here can ask for its counts
  builder.AddChannelArgument(GRPC_ARG_ENABLE_PER_MESSAGE_COMPRESSION, 0);  // of answers
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, options.max_calls_per_connection);
  for (int i = 0; i < options.threads; ++i) {
    state->front_threads.push_back(
        std::make_unique<FrontThread>(state->service, state->health, builder.AddCompletionQueue()));
  }
  state->server = builder.BuildAndStart();
  if (!state->server || state->port == 0) {
    return {Code::kUnavailable,
            "cannot listen on " + options.address +
                ": the port is in use, or the address is not one of this machine"};
  }
  for (auto& front_thread : state->front_threads) front_thread->start();
  front->reset(new Front(std::move(state)));
  return {};
}

Front::Front(std::unique_ptr<State> state) : state_(std::move(state)) {}

Front::~Front() { stop(std::chrono::microseconds(0)); }

int Front::port() const { return state_->port; }

void Front::set_serving(bool serving) {
  const std::lock_guard lock(state_->mutex);
  if (state_->service.draining) return;  // no more, and the threads of the front may have closed
  state_->health.set(serving);
  for (auto& front_thread : state_->front_threads) front_thread->refresh_health();
}

void Front::stop(std::chrono::microseconds grace) {
  std::call_once(state_->stopped, [this, grace] {
    const auto end = steady_clock::now() + std::max<std::chrono::microseconds>(grace, kQuiet);
    set_serving(false);
    {
      const std::lock_guard lock(state_->mutex);
      state_->service.draining = true;
    }
    state_->service.engine.stop(grace);
    state_->await_quiet(end + kQuiet);
    state_->server->Shutdown(std::chrono::system_clock::now() + kQuiet);
    for (auto& front_thread : state_->front_threads) front_thread->stop();
  });
}

}  // namespace gerank::server
