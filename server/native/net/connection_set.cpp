#include "connection_set.h"

#include <string>
#include <utility>

#include "peer.h"

namespace gerank::server {
namespace {

constexpr std::size_t kReadBytes = 64 << 10;  // of one connection, in one turn
constexpr std::uint64_t kTickMs = 1000;

}  // namespace

ConnectionSet::ConnectionSet(Loop& loop, Speak speak, Carry carry, std::function<void()> closed)
    : loop_(loop),
      speak_(std::move(speak)),
      carry_(std::move(carry)),
      closed_(std::move(closed)),
      ticks_(loop, [this] { tick(); }),
      buffer_(kReadBytes) {}

void ConnectionSet::add(int descriptor) {
  const std::string peer = peer_of(descriptor);
  auto connection = std::make_unique<Connection>(*this, descriptor, peer, carry_(peer));
  connection->speak(speak_(*connection));
  connection->place_ = connections_.size();
  connection->wake();
  connections_.push_back(std::move(connection));
  if (!ticks_.is_set()) ticks_.start(kTickMs, kTickMs);
}

void ConnectionSet::end_turn() {
  bool any_closed = false;
  while (!awake_.empty()) {
    flushing_.swap(awake_);
    for (Connection* connection : flushing_) {
      connection->awake_ = false;
      connection->flush();
      if (!connection->has_ended()) continue;
      remove(*connection);
      any_closed = true;
    }
    flushing_.clear();
  }
  now_ = {};
  if (any_closed) closed_();
}

void ConnectionSet::remove(Connection& connection) {
  const std::size_t place = connection.place_;
  std::swap(connections_[place], connections_.back());
  connections_[place]->place_ = place;
  // Out of the list before it is freed: its calls end meanwhile, which wakes other connections, but
  // no more this one.
  connection.awake_ = true;
  const std::unique_ptr<Connection> ended = std::move(connections_.back());
  connections_.pop_back();
  if (connections_.empty()) ticks_.stop();
}

void ConnectionSet::for_each(const std::function<void(Connection&)>& each) {
  for (const auto& connection : connections_) each(*connection);
}

void ConnectionSet::close_all() {
  for (const auto& connection : connections_) {
    connection->lost_ = true;
    connection->wake();
  }
  end_turn();
}

ConnectionSet::TimePoint ConnectionSet::now() {
  if (now_ == TimePoint{}) now_ = std::chrono::steady_clock::now();
  return now_;
}

void ConnectionSet::tick() {
  const TimePoint now = std::chrono::steady_clock::now();
  for (const auto& connection : connections_) connection->tick(now);
}

}  // namespace gerank::server
