// grpc.health.v1.
#pragma once

#include <gerank/clock.h>

#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <string_view>

#include "../grpc/call_status.h"
#include "method.h"
#include "service.h"

namespace gerank::server {

// HealthCheckResponse.ServingStatus.
enum class Health : std::uint64_t { kServing = 1, kNotServing = 2, kServiceUnknown = 3 };

// The status of the server, whose name is empty, or of one of its services.
Health health_of(const Service& service, std::string_view name);

// Health.Check.
CallStatus check_health(const Service& service, std::string_view message, std::string* answer);

// Health.Watch: tells the status at once, and whenever it changes.
class HealthWatch final : public Method {
 public:
  explicit HealthWatch(Service& service) : Method(Kind::kWatch), service_(service) {}

  void take(Stream& stream, MessageBytes message) override;
  void closed(Stream& stream) override;

  // The status may have changed.
  void tell_all();

  // Ends all watches, since the server does.
  void end_all();

 private:
  struct Watcher final : CallState {
    Stream* stream = nullptr;
    std::string name;
    std::optional<Health> told;
    std::list<Watcher>::iterator place;
  };

  void tell(Watcher& watcher);

  Service& service_;
  std::list<Watcher> watchers_;
};

}  // namespace gerank::server
