#include "metrics_door.h"

#include <algorithm>
#include <exception>
#include <string>

#include "metrics_page.h"

namespace gerank::server {
namespace {

// A flood takes this port from others for a moment at most: beyond kKept connections the
// oldest goes. The library refuses more than kMost, until those have ended.
constexpr unsigned kMost = 64, kKept = 32;
constexpr unsigned kSilenceS = 10;         // of a client that neither sends nor reads
constexpr std::size_t kMemory = 16 << 10;  // of one connection: its request's head must fit

constexpr std::string_view kText = "text/plain; charset=utf-8";
constexpr std::string_view kPrometheus = "text/plain; version=0.0.4; charset=utf-8";
constexpr std::string_view kOpenMetrics =
    "application/openmetrics-text; version=1.0.0; charset=utf-8";

MHD_Result reply(MHD_Connection* connection, unsigned status, std::string_view type,
                 std::string_view body) {
  MHD_Response* const response = MHD_create_response_from_buffer(
      body.size(), const_cast<char*>(body.data()), MHD_RESPMEM_MUST_COPY);
  if (response == nullptr) return MHD_NO;
  MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, std::string(type).c_str());
  if (status == MHD_HTTP_METHOD_NOT_ALLOWED) {
    MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
  }
  const MHD_Result queued = MHD_queue_response(connection, status, response);
  MHD_destroy_response(response);
  return queued;
}

MetricsFormat format_for(MHD_Connection* connection) {
  const char* const accepted =
      MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT);
  const bool takes_open =
      accepted != nullptr &&
      std::string_view(accepted).find("application/openmetrics-text") != std::string_view::npos;
  return takes_open ? MetricsFormat::kOpenMetrics : MetricsFormat::kPrometheus;
}

}  // namespace

bool MetricsDoor::start(int descriptor) {
  daemon_ = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_AUTO | MHD_USE_ITC, 0, admit,
                             this, answer, this, MHD_OPTION_LISTEN_SOCKET, descriptor,
                             MHD_OPTION_CONNECTION_LIMIT, kMost, MHD_OPTION_CONNECTION_TIMEOUT,
                             kSilenceS, MHD_OPTION_CONNECTION_MEMORY_LIMIT, kMemory,
                             MHD_OPTION_NOTIFY_CONNECTION, notice, this, MHD_OPTION_END);
  return daemon_ != nullptr;
}

MetricsDoor::~MetricsDoor() {
  if (daemon_ == nullptr) return;
  MHD_quiesce_daemon(daemon_);  // or the library would close the descriptor
  MHD_stop_daemon(daemon_);
}

MHD_Result MetricsDoor::admit(void* self, const sockaddr*, socklen_t) {
  std::deque<int>& open = static_cast<MetricsDoor*>(self)->open_;
  if (open.size() >= kKept) {
    shutdown(open.front(), SHUT_RDWR);  // the library sees its end, and closes it
    open.pop_front();
  }
  return MHD_YES;
}

void MetricsDoor::notice(void* self, MHD_Connection* connection, void**,
                         MHD_ConnectionNotificationCode code) {
  std::deque<int>& open = static_cast<MetricsDoor*>(self)->open_;
  const int descriptor =
      MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
  if (code == MHD_CONNECTION_NOTIFY_STARTED) {
    open.push_back(descriptor);
  } else {
    std::erase(open, descriptor);
  }
}

MHD_Result MetricsDoor::answer(void* self, MHD_Connection* connection, const char* url,
                               const char* method, const char*, const char*, std::size_t*, void**) {
  try {
    return static_cast<MetricsDoor*>(self)->answer(connection, url, method);
  } catch (const std::exception&) {
    return MHD_NO;  // no memory: the connection ends
  }
}

MHD_Result MetricsDoor::answer(MHD_Connection* connection, std::string_view url,
                               std::string_view method) {
  if (method != MHD_HTTP_METHOD_GET && method != MHD_HTTP_METHOD_HEAD) {
    return reply(connection, MHD_HTTP_METHOD_NOT_ALLOWED, kText, "only GET and HEAD\n");
  }
  if (url == "/metrics") {
    const MetricsFormat format = format_for(connection);
    return reply(connection, MHD_HTTP_OK,
                 format == MetricsFormat::kOpenMetrics ? kOpenMetrics : kPrometheus,
                 metrics_page(format, sources_));
  }
  if (url == "/healthz") {
    return sources_.front.is_serving()
               ? reply(connection, MHD_HTTP_OK, kText, "serving\n")
               : reply(connection, MHD_HTTP_SERVICE_UNAVAILABLE, kText, "not serving\n");
  }
  return reply(connection, MHD_HTTP_NOT_FOUND, kText, "only /metrics and /healthz\n");
}

}  // namespace gerank::server
