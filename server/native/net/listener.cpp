#include "listener.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "../listening_address.h"
#include "../log/log.h"

namespace gerank::server {
namespace {

constexpr int kTakenPerTurn = 64;
constexpr std::uint64_t kAgainMs = 200;

// The connection failed, not the listener.
bool is_of_the_connection(int error) {
  switch (error) {
    case ECONNABORTED:
    case EINTR:
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
    case EPERM:
      return true;
    default:
      return false;
  }
}

bool is_lack(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

}  // namespace

Listener::Listener(std::string target, std::function<void(int)> take)
    : target_(std::move(target)), take_(std::move(take)) {}

Status Listener::locate() { return resolve(target_, &addresses_); }

bool Listener::is_local() const {
  return std::all_of(addresses_.begin(), addresses_.end(),
                     [](const SocketAddress& address) { return address.is_local(); });
}

Status Listener::open() {
  if (is_taken(target_)) {
    return {Code::kUnavailable, "cannot listen on " + target_ + ": a server listens there"};
  }
  std::vector<ListeningSocket> sockets;
  if (Status status = ListeningSocket::open(target_, addresses_, &sockets); !status) return status;
  addresses_.clear();
  for (ListeningSocket& socket : sockets) {
    addresses_.push_back(socket.address());
    doors_.push_back(std::make_unique<Door>(std::move(socket)));
  }
  port_ = doors_.front()->socket.port();
  return {};
}

void Listener::start(Loop& loop) {
  loop_ = &loop;
  again_ = std::make_unique<Timer>(loop, [this] { retry(); });
  watch_all();
}

void Listener::watch_all() {
  for (const auto& door : doors_) {
    if (!door->poll) {
      door->poll = std::make_unique<SocketPoll>(*loop_, door->socket.descriptor(),
                                                [this, at = door.get()](int) { take_from(*at); });
    }
    door->poll->watch(UV_READABLE);
  }
}

void Listener::close() {
  doors_.clear();
  again_.reset();
  loop_ = nullptr;
}

void Listener::take_from(Door& door) {
  for (int i = 0; i < kTakenPerTurn; ++i) {
    const int taken =
        accept4(door.socket.descriptor(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (taken == -1) {
      if (errno == EAGAIN) return;
      if (is_of_the_connection(errno)) continue;
      return pause(errno);
    }
    told_ = false;
    const int on = 1;
    if (door.socket.address().family() != AF_UNIX) {
      setsockopt(taken, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    take_(taken);
  }
}

void Listener::pause(int error) {
  failed_ = !is_lack(error);
  if (!std::exchange(told_, true)) {  // once, until one was taken again
    const std::string reason = std::strerror(error);
    Log::of_process().tell(LogLevel::kError, "accept_failed",
                           "no new connection can be taken: " + reason + "; trying again",
                           {{"reason", reason}});
  }
  paused_ = true;
  for (const auto& each : doors_) each->poll->watch(0);
  again_->start(kAgainMs);
}

void Listener::retry() {
  if (!paused_ || loop_ == nullptr) return;
  if (failed_) return reopen();
  paused_ = false;
  watch_all();
}

void Listener::reopen() {
  doors_.clear();
  if (!open()) {
    again_->start(kAgainMs);
    return;
  }
  paused_ = failed_ = false;
  watch_all();
}

}  // namespace gerank::server
