// Takes connections, and keeps taking them.
#pragma once

#include <gerank/status.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "listening_socket.h"
#include "loop.h"

namespace gerank::server {

// Used by the thread of its loop, but for open() and port().
class Listener {
 public:
  // `take` gets the descriptor of each new connection, and owns it.
  Listener(std::string target, std::function<void(int)> take);

  // Finds out where the target lies; errors as resolve().
  Status locate();

  // Whether only this machine can reach it there.
  bool is_local() const;

  // Listens from now on, where locate() found; nobody is taken before start(). Errors as
  // ListeningSocket::open(), and kUnavailable where a server listens at a socket in a folder.
  Status open();
  int port() const { return port_; }

  // Takes callers from now on, on this loop.
  void start(Loop& loop);

  // Takes nobody any more; who waits is sent away.
  void close();

  // Descriptors have been given back: there may be some for new connections again.
  void retry();

 private:
  // One open socket, and its readiness.
  struct Door {
    explicit Door(ListeningSocket&& opened) : socket(std::move(opened)) {}
    ListeningSocket socket;
    std::unique_ptr<SocketPoll> poll;
  };

  void watch_all();
  void take_from(Door& door);
  void pause(int error);
  void reopen();

  const std::string target_;
  const std::function<void(int)> take_;
  Loop* loop_ = nullptr;
  std::vector<SocketAddress> addresses_;  // with the ports that it got
  std::vector<std::unique_ptr<Door>> doors_;
  std::unique_ptr<Timer> again_;
  int port_ = 0;
  bool paused_ = false, failed_ = false, told_ = false;
};

}  // namespace gerank::server
