// One completion queue: its thread, and all that is served on it.
#pragma once

#include <grpcpp/alarm.h>
#include <grpcpp/grpcpp.h>

#include <memory>
#include <thread>

#include "answer_relay.h"
#include "call_pool.h"
#include "completion.h"
#include "health.h"
#include "instant_call.h"
#include "service.h"

namespace gerank::server {

class FrontThread {
 public:
  FrontThread(Service& service, Health& health, std::unique_ptr<grpc::ServerCompletionQueue> queue);

  // Ends the thread if stop() did not. The server must have been shut down, or never started.
  ~FrontThread();

  // Takes callers from now on. The server must have been started.
  void start();

  // Tells the watchers that the health has changed. Thread-safe.
  void refresh_health() { watches_.refresh(); }

  // To be called when the server was shut down: ends the thread.
  void stop();

 private:
  void run();
  void close(bool ok);

  const std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  AnswerRelay relay_;
  CallPool pool_;
  HealthWatches watches_;
  InstantCall describe_, statistics_, check_;
  grpc::Alarm alarm_;
  Step<&FrontThread::close> close_{*this};
  bool closed_ = false;
  std::thread thread_;
};

}  // namespace gerank::server
