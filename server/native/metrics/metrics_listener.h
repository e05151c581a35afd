// The page /metrics on a listener of its own, over HTTP/1.1.
#pragma once

#include <gerank/status.h>

#include <memory>
#include <string>
#include <vector>

#include "../net/listening_socket.h"
#include "metrics_sources.h"

namespace gerank::server {

class MetricsDoor;

// Answers GET and HEAD of /metrics, and of /healthz: 200 while health is SERVING, else 503. Has a
// thread of its own and bounds of its own, so that nobody who asks here takes anything from calls.
class MetricsListener {
 public:
  // Listens from now on. `target` as ListeningAddress has it; errors as resolve() and
  // ListeningSocket::open(). The sources must outlive it.
  static Status start(const std::string& target, const MetricsSources& sources,
                      std::unique_ptr<MetricsListener>* listener);

  // Answers what has been asked, and closes.
  ~MetricsListener();

  // The port, also where the target asked for port 0; 1 for a socket in a folder.
  int port() const;

 private:
  MetricsListener();

  std::vector<ListeningSocket> sockets_;
  std::vector<std::unique_ptr<MetricsDoor>> doors_;  // one per socket; they end before these
};

}  // namespace gerank::server
