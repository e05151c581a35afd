#include "metrics_listener.h"

#include "metrics_door.h"

namespace gerank::server {

MetricsListener::MetricsListener() = default;
MetricsListener::~MetricsListener() = default;

Status MetricsListener::start(const std::string& target, const MetricsSources& sources,
                              std::unique_ptr<MetricsListener>* listener) {
  std::vector<SocketAddress> addresses;
  if (Status status = resolve(target, &addresses); !status) return status;
  std::unique_ptr<MetricsListener> started(new MetricsListener);
  if (Status status = ListeningSocket::open(target, addresses, &started->sockets_); !status) {
    return status;
  }
  for (const ListeningSocket& socket : started->sockets_) {
    started->doors_.push_back(std::make_unique<MetricsDoor>(sources));
    if (!started->doors_.back()->start(socket.descriptor())) {
      return {Code::kUnavailable, "cannot serve metrics on " + target + ": no thread for it"};
    }
  }
  *listener = std::move(started);
  return {};
}

int MetricsListener::port() const { return sockets_.front().port(); }

}  // namespace gerank::server
