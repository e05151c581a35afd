// One listening socket of the metrics, served by libmicrohttpd.
#pragma once

#include <microhttpd.h>
#include <sys/socket.h>

#include <deque>
#include <string_view>

#include "metrics_sources.h"

namespace gerank::server {

// Has one thread, libmicrohttpd's, which alone uses what is here after start().
class MetricsDoor {
 public:
  explicit MetricsDoor(const MetricsSources& sources) : sources_(sources) {}
  ~MetricsDoor();  // the descriptor stays open
  MetricsDoor(const MetricsDoor&) = delete;
  MetricsDoor& operator=(const MetricsDoor&) = delete;

  // Serves who comes to a socket that listens. Whether it does.
  bool start(int descriptor);

 private:
  static MHD_Result admit(void* self, const sockaddr*, socklen_t);
  static void notice(void* self, MHD_Connection* connection, void**,
                     MHD_ConnectionNotificationCode code);
  static MHD_Result answer(void* self, MHD_Connection* connection, const char* url,
                           const char* method, const char* version, const char* upload,
                           std::size_t* upload_size, void** state);
  MHD_Result answer(MHD_Connection* connection, std::string_view url, std::string_view method);

  const MetricsSources sources_;
  MHD_Daemon* daemon_ = nullptr;
  std::deque<int> open_;  // descriptors of connections, the oldest first
};

}  // namespace gerank::server
