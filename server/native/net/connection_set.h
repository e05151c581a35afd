// All connections of one front thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "connection.h"
#include "loop.h"

namespace gerank::server {

// Used by the thread of its loop.
class ConnectionSet {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  // Makes what is spoken over a new connection.
  using Speak = std::function<std::unique_ptr<Protocol>(Connection&)>;

  // Makes what a new connection, of this peer, is spoken through.
  using Carry = std::function<std::unique_ptr<Transport>(const std::string& peer)>;

  // `closed` is called after descriptors have been given back.
  ConnectionSet(Loop& loop, Speak speak, Carry carry, std::function<void()> closed);

  // Serves a connected socket, which it takes over.
  void add(int descriptor);

  // Sends what there is, and frees what has ended: to be called at the end of each turn.
  void end_turn();

  // Calls `each` with every connection. It must add none.
  void for_each(const std::function<void(Connection&)>& each);

  // Closes all, whatever they still have to say.
  void close_all();

  std::size_t size() const { return connections_.size(); }
  Loop& loop() { return loop_; }

  // Where the bytes of a socket are read to; of use until the next read.
  std::span<char> buffer() { return buffer_; }

  // The time, read at most once in a turn.
  TimePoint now();

 private:
  friend class Connection;

  void tick();
  void remove(Connection& connection);

  Loop& loop_;
  const Speak speak_;
  const Carry carry_;
  const std::function<void()> closed_;
  Timer ticks_;
  std::vector<char> buffer_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<Connection*> awake_, flushing_;
  TimePoint now_{};
};

}  // namespace gerank::server
