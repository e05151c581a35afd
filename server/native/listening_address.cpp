#include "listening_address.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <stdexcept>

namespace gerank::server {
namespace {

constexpr int kDefaultPort = 50051, kMaxPort = 65535;
constexpr std::string_view kSchemes[] = {"unix", "unix-abstract", "dns", "ipv4",
                                         "ipv6", "vsock",         "xds"};

bool is_control(char each) { return (each >= 0 && each < ' ') || each == '\x7f'; }

bool is_printable(char each) { return each > ' ' && each < '\x7f'; }

[[noreturn]] void refuse(std::string_view text, const std::string& rule) {
  std::string shown(text);
  std::replace_if(shown.begin(), shown.end(), is_control, '?');
  throw std::invalid_argument("address '" + shown + "': " + rule);
}

bool is_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(),
                                      [](char each) { return each >= '0' && each <= '9'; });
}

bool is_ipv6(std::string_view host) {
  in6_addr address;
  const std::size_t percent = host.find('%');
  if (percent != std::string_view::npos) {
    const std::string_view zone = host.substr(percent + 1);
    if (zone.empty() || zone.find('%') != std::string_view::npos) return false;
  }
  const std::string number(host.substr(0, percent));
  return inet_pton(AF_INET6, number.c_str(), &address) == 1;
}

bool has_scheme(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return false;
  const std::string_view rest = text.substr(colon + 1);
  const auto* known = std::find(std::begin(kSchemes), std::end(kSchemes), text.substr(0, colon));
  return known != std::end(kSchemes) && !rest.empty() && !is_digits(rest);
}

std::string join(std::string_view host, int port) {
  const std::string number = ":" + std::to_string(port), name(host);
  return (host.find(':') == std::string_view::npos ? name : "[" + name + "]") + number;
}

struct Parts {
  std::string_view host;
  std::optional<std::string_view> port;
};

Parts split(std::string_view text) {
  if (!text.empty() && text.front() == '[') {
    const std::size_t bracket = text.find(']');
    const std::string_view after =
        bracket == std::string_view::npos ? "" : text.substr(bracket + 1);
    if (bracket == std::string_view::npos || !is_ipv6(text.substr(1, bracket - 1)) ||
        (!after.empty() && after.front() != ':')) {
      refuse(text, "must be an IPv6 address in brackets, as in [::1]:50051");
    }
    Parts parts{text.substr(1, bracket - 1), {}};
    if (!after.empty()) parts.port = after.substr(1);
    return parts;
  }
  const std::size_t colon = text.rfind(':');
  if (is_ipv6(text) || colon == std::string_view::npos) return {text, {}};
  return {text.substr(0, colon), text.substr(colon + 1)};
}

int to_port(std::string_view text, std::string_view port) {
  int number = -1;
  const bool is_number = is_digits(port) && port.size() <= std::to_string(kMaxPort).size();
  if (is_number) std::from_chars(port.data(), port.data() + port.size(), number);
  if (number < 0 || number > kMaxPort) {
    refuse(text, "the port must be an integer in [0, " + std::to_string(kMaxPort) + "], not '" +
                     std::string(port) + "'");
  }
  return number;
}

}  // namespace

std::string ListeningAddress::with_port(int port) const {
  return host.empty() ? target : join(host, port);
}

ListeningAddress parse_listening_address(std::string_view text) {
  if (std::any_of(text.begin(), text.end(), is_control)) {
    refuse(text, "must not hold control characters");
  }
  if (has_scheme(text)) {
    if (text.find_first_of("%?#") != std::string_view::npos) {
      refuse(text, "must not hold %, ? or #, which gRPC reads otherwise");
    }
    return {std::string(text), ""};
  }
  const Parts parts = split(text);
  if (parts.host.empty() || !std::all_of(parts.host.begin(), parts.host.end(), is_printable)) {
    refuse(text, "must have a host of ASCII characters, as in host:50051");
  }
  if (parts.host.find(':') != std::string_view::npos && !is_ipv6(parts.host)) {
    refuse(text, "must be host:port, [IPv6]:port or unix:path");
  }
  const int port = parts.port ? to_port(text, *parts.port) : kDefaultPort;
  return {join(parts.host, port), std::string(parts.host)};
}

bool is_taken(const std::string& target) {
  if (target.rfind("unix:", 0) != 0) return false;
  std::string path = target.substr(std::strlen("unix:"));
  if (path.rfind("//", 0) == 0) path.erase(0, 2);
  sockaddr_un address{};
  if (path.size() >= sizeof address.sun_path) return false;  // gRPC refuses it by name
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, path.size());
  const int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (probe == -1) return false;
  const bool answers =
      connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
      errno == EAGAIN;  // its backlog is full: all the more
  close(probe);
  return answers;
}

}  // namespace gerank::server
