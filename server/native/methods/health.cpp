#include "health.h"

#include <gerank/status.h>

#include <algorithm>
#include <iterator>

#include "../grpc/status_table.h"
#include "../http2/stream.h"
#include "service_names.h"
#include "wire/protobuf_reader.h"
#include "wire/protobuf_writer.h"

// The numbers of fields are those of protos/grpc/health/v1/health.proto.

namespace gerank::server {
namespace {

// Reads a HealthCheckRequest.
std::optional<std::string_view> read_name(std::string_view message) {
  std::string_view name;
  wire::FieldReader in(message);
  while (in.next()) {
    if (in.tag() == wire::bytes_tag(1)) {
      name = in.text();
    } else {
      in.skip();
    }
  }
  if (!in.ok()) return {};
  return name;
}

CallStatus no_request() {
  return {int(Code::kInvalidArgument), "must be a grpc.health.v1.HealthCheckRequest", {}};
}

std::string write(Health health) {
  wire::FieldWriter out;
  out.number(1, std::uint64_t(health));
  return out.take();
}

}  // namespace

Health health_of(const Service& service, std::string_view name) {
  const auto& names = service.names;
  const bool is_known = name.empty() || name == kHealthService ||
                        std::find(names.begin(), names.end(), name) != names.end();
  if (!is_known) return Health::kServiceUnknown;
  return service.serving ? Health::kServing : Health::kNotServing;
}

CallStatus check_health(const Service& service, std::string_view message, std::string* answer) {
  const auto name = read_name(message);
  if (!name) return no_request();
  const Health health = health_of(service, *name);
  if (health == Health::kServiceUnknown) {
    return {int(Code::kNotFound), "unknown service '" + std::string(*name) + "'", {}};
  }
  *answer = write(health);
  return {};
}

void HealthWatch::take(Stream& stream, MessageBytes message) {
  const auto name = read_name(message.view());
  if (!name) return stream.finish(no_request());
  Watcher& watcher = watchers_.emplace_back();
  watcher.stream = &stream;
  watcher.name = *name;
  watcher.place = std::prev(watchers_.end());
  stream.state = &watcher;
  tell(watcher);
}

void HealthWatch::tell(Watcher& watcher) {
  const Health health = health_of(service_, watcher.name);
  if (watcher.told == health) return;
  watcher.told = health;
  watcher.stream->send(write(health));
}

void HealthWatch::tell_all() {
  for (Watcher& watcher : watchers_) tell(watcher);
}

void HealthWatch::end_all() {
  for (Watcher& watcher : watchers_) {
    watcher.stream->state = nullptr;
    watcher.stream->finish({int(Code::kUnavailable), "the server is draining", {}});
  }
  watchers_.clear();
}

void HealthWatch::closed(Stream& stream) {
  watchers_.erase(static_cast<Watcher*>(stream.state)->place);
}

}  // namespace gerank::server
