// grpc.health.v1, on the thread of a completion queue.
//
// The one that grpc++ brings takes threads of its own, which then wait on the same connections: it
// cost every other call as much again as the call itself.
#pragma once

#include <grpcpp/alarm.h>
#include <grpcpp/grpcpp.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "completion.h"
#include "grpc/health/v1/health.grpc.pb.h"

namespace gerank::server {

using HealthMethods = grpc::health::v1::Health::WithRawMethod_Check<
    grpc::health::v1::Health::WithAsyncMethod_Watch<grpc::health::v1::Health::Service>>;

// What this server says of itself. Thread-safe.
class Health {
 public:
  using Serving = grpc::health::v1::HealthCheckResponse;

  HealthMethods methods;

  void set(bool serving) { serving_ = serving; }

  // Returns the status of the server (an empty name) or of one of its services; it is
  // SERVICE_UNKNOWN for any other name.
  Serving::ServingStatus of(const std::string& service) const;

  // grpc.health.v1.Health.Check.
  grpc::Status check(grpc::ByteBuffer* request, grpc::ByteBuffer* answer) const;

 private:
  std::atomic<bool> serving_{false};
};

class HealthWatches;

// One grpc.health.v1.Health.Watch call: tells the status now, and whenever it changes.
class HealthWatch {
 public:
  HealthWatch(Health& health, grpc::ServerCompletionQueue& queue, HealthWatches& all);

  // Tells the status, if it is another than the last one told.
  void tell();

 private:
  void arrived(bool ok);
  void written(bool ok);
  void ended(bool ok);
  void end_if_idle();

  Health& health_;
  grpc::ServerCompletionQueue& queue_;
  HealthWatches& all_;
  Step<&HealthWatch::arrived> arrived_{*this};
  Step<&HealthWatch::written> written_{*this};
  Step<&HealthWatch::ended> ended_{*this};
  grpc::ServerContext context_;
  grpc::health::v1::HealthCheckRequest request_;
  grpc::ServerAsyncWriter<Health::Serving> writer_{&context_};
  std::optional<Health::Serving::ServingStatus> told_;
  bool open_ = false, writing_ = false, gone_ = false;
};

// All watches of one completion queue. Used by its thread, but for refresh().
class HealthWatches {
 public:
  HealthWatches(Health& health, grpc::ServerCompletionQueue& queue)
      : health_(health), queue_(queue) {}

  // Lets one more watch wait for its caller.
  void await_another();

  // The status has changed. Thread-safe.
  void refresh();

  // This watch has ended, and is freed.
  void remove(HealthWatch& watch);

 private:
  void tell_all(bool ok);

  Health& health_;
  grpc::ServerCompletionQueue& queue_;
  std::vector<std::unique_ptr<HealthWatch>> watches_;
  Step<&HealthWatches::tell_all> tell_all_{*this};
  grpc::Alarm alarm_;
  std::mutex mutex_;
  bool awaited_ = false;
};

}  // namespace gerank::server
