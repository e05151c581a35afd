#include "front_thread.h"

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>

#include <memory>
#include <string>
#include <utility>

#include "http2/session.h"
#include "methods/service_names.h"

namespace gerank::server {
namespace {

constexpr int kNiceness = -5;  // below the other threads'; less goes first

// Puts the calling thread first: its share of the processors is three times a worker's, or calls
// would lie in the socket while the workers are busy, and their deadlines would pass unseen. It
// interrupts nobody, though (SCHED_BATCH): several calls per wake-up cost less. Where the process
// may not do this (CAP_SYS_NICE), all threads stay equal.
void go_first() {
  const int nice = getpriority(PRIO_PROCESS, 0);
  if (setpriority(PRIO_PROCESS, 0, nice + kNiceness) != 0) return;
  const sched_param none{};
  sched_setscheduler(0, SCHED_BATCH, &none);
}

Session& session_of(Connection& connection) { return static_cast<Session&>(connection.protocol()); }

}  // namespace

FrontThread::FrontThread(const Shared& shared)
    : shared_(shared),
      served_(shared.served.methods(shared.service, loop_)),
      check_([&service = shared.service](auto message, auto, auto* answer) {
        return check_health(service, message, answer);
      }),
      watch_(shared.service),
      reflection_(shared.service),
      reflection_alpha_(shared.service),
      deadlines_(loop_),
      host_{loop_,      shared.limits, methods_, shared.credentials,        shared.budget,
            deadlines_, line_,         pool_,    shared.service.open_calls, counts_},
      connections_(
          loop_, [this](Connection& connection) { return speak(connection); },
          [this](const std::string& peer) { return carry(peer); }, shared.closed),
      end_(loop_, [this] {
        connections_.close_all();
        loop_.stop();
      }) {
  add_methods();
  loop_.at_turn_end([this] { end_turn(); });
}

FrontThread::~FrontThread() {
  if (thread_.joinable()) stop(std::chrono::milliseconds(0));  // another thread could not start
}

void FrontThread::add_methods() {
  served_->add_to(methods_);
  methods_.add(path_of(kHealthService, "Check"), check_);
  methods_.add(path_of(kHealthService, "Watch"), watch_);
  if (!shared_.reflection) return;
  methods_.add(path_of(kReflectionV1, "ServerReflectionInfo"), reflection_);
  methods_.add(path_of(kReflectionV1Alpha, "ServerReflectionInfo"), reflection_alpha_);
}

std::unique_ptr<Protocol> FrontThread::speak(Connection& connection) {
  counts_.connections_opened.add();
  auto session = std::make_unique<Session>(host_, connection);
  if (leaving_) session->leave();
  return session;
}

std::unique_ptr<Transport> FrontThread::carry(const std::string& peer) {
  const TlsContext tls = shared_.credentials.tls();
  if (!tls) return std::make_unique<PlainTransport>(peer);
  return std::make_unique<TlsTransport>(tls, peer, transports_);
}

void FrontThread::repeat(std::chrono::milliseconds interval, std::function<void()> task) {
  repeated_ = std::make_unique<Timer>(loop_, std::move(task));
  repeated_->start(std::uint64_t(interval.count()), std::uint64_t(interval.count()));
}

void FrontThread::start(std::function<void()> first) {
  thread_ = std::thread([this, first = std::move(first)] {
    pthread_setname_np(pthread_self(), "gerank-front");
    go_first();
    first();
    loop_.run();
  });
}

void FrontThread::add(int descriptor) {
  loop_.post([this, descriptor] { connections_.add(descriptor); });
}

void FrontThread::refresh_health() {
  loop_.post([this] { watch_.tell_all(); });
}

void FrontThread::let_in() {
  if (waits_) loop_.post([this] { line_.let_in(); });
}

void FrontThread::leave() {
  loop_.post([this] {
    leaving_ = true;
    connections_.for_each([](Connection& connection) { session_of(connection).leave(); });
  });
}

void FrontThread::leave_now() {
  loop_.post([this] {
    connections_.for_each([](Connection& connection) { session_of(connection).leave_now(); });
  });
}

void FrontThread::end_turn() {
  waits_ = !line_.is_empty();  // before it is tried: what others give back from now on is told
  if (waits_) line_.let_in();
  waits_ = !line_.is_empty();
  connections_.end_turn();
  counts_.connections.set(connections_.size());
  const std::uint64_t given_back = shared_.budget.given_back();
  if (std::exchange(given_back_, given_back) != given_back) shared_.has_room();
  if (leaving_) {
    bool has_left = true;
    connections_.for_each([&](Connection& each) { has_left &= session_of(each).has_left(); });
    has_left_ = has_left;
  }
  if (stopping_ && connections_.size() == 0) loop_.stop();
}

void FrontThread::stop(std::chrono::milliseconds linger) {
  loop_.post([this, linger] {
    stopping_ = true;
    watch_.end_all();
    connections_.for_each([](Connection& connection) { session_of(connection).leave_now(); });
    end_.start(std::uint64_t(linger.count()));
  });
  thread_.join();
}

}  // namespace gerank::server
