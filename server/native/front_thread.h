// One thread of the front: its loop, its connections, and the methods that it serves.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "credentials.h"
#include "http2/byte_budget.h"
#include "http2/deadlines.h"
#include "http2/limits.h"
#include "http2/stream.h"
#include "http2/stream_host.h"
#include "http2/waiting_line.h"
#include "methods/health.h"
#include "methods/instant.h"
#include "methods/method_table.h"
#include "methods/reflection.h"
#include "methods/served.h"
#include "metrics/counts.h"
#include "net/connection_set.h"
#include "net/loop.h"
#include "net/plain_transport.h"
#include "net/tls_transport.h"

namespace gerank::server {

// Thread-safe but for its making and its end.
class FrontThread {
 public:
  // What the threads of a front share.
  struct Shared {
    Service& service;
    const Served& served;
    const Limits& limits;
    const Credentials& credentials;
    ByteBudget& budget;
    bool reflection;
    std::function<void()> closed;    // descriptors were given back
    std::function<void()> has_room;  // bytes were given back that others wait for
  };

  explicit FrontThread(const Shared& shared);
  ~FrontThread();

  // Serves from now on; `first` is run before all else.
  void start(std::function<void()> first);

  Loop& loop() { return loop_; }

  // Runs `task` every `interval` from now on, as long as the thread serves. On this thread, once.
  void repeat(std::chrono::milliseconds interval, std::function<void()> task);

  // Serves a connected socket, which it takes over.
  void add(int descriptor);

  // Tells the watchers that the health has changed.
  void refresh_health();

  // Lets in those who wait for room, if any do.
  void let_in();

  // Any thread may read these.
  const ThreadCounts& counts() const { return counts_; }
  const MethodTable& methods() const { return methods_; }

  // See Session::leave and leave_now: of all connections, also of those that come later.
  void leave();
  void leave_now();

  // After leave(): whether no connection takes calls any more.
  bool has_left() const { return has_left_; }

  // Ends the watches, sends what there is, closes the connections, and ends the thread. Callers get
  // so long to close their side.
  void stop(std::chrono::milliseconds linger);

 private:
  void add_methods();
  void end_turn();
  std::unique_ptr<Protocol> speak(Connection& connection);
  std::unique_ptr<Transport> carry(const std::string& peer);

  const Shared shared_;
  ThreadCounts counts_;
  Loop loop_;
  const std::unique_ptr<ServiceMethods> served_;
  InstantMethod check_;
  HealthWatch watch_;
  ReflectionMethod reflection_, reflection_alpha_;
  MethodTable methods_;
  Deadlines deadlines_;
  WaitingLine line_;
  StreamPool pool_;
  StreamHost host_;
  TlsTransport::Shared transports_;
  ConnectionSet connections_;
  Timer end_;
  std::unique_ptr<Timer> repeated_;
  bool leaving_ = false, stopping_ = false;
  std::atomic<bool> waits_{false};  // for room
  std::atomic<bool> has_left_{false};
  std::uint64_t given_back_ = 0;  // as the budget had it when the others were told
  std::thread thread_;
};

}  // namespace gerank::server
