#include "connection.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "../log/log.h"
#include "connection_set.h"

namespace gerank::server {
namespace {

// Bytes that are put together for one write.
constexpr std::size_t kOneWrite = 256 << 10;

// Bytes that one connection may write before the others have their turn.
constexpr std::size_t kOneTurn = 1 << 20;

// Bytes of the transport's own that may wait for a peer that does not read; it is not read then.
constexpr std::size_t kMostOwn = 64 << 10;

// A connection at rest keeps buffers of so many bytes for its next answers. Larger ones go: no
// budget counts them, and there may be ten thousand connections.
constexpr std::size_t kKept = 32 << 10;

// How long the peer may take to close its side; a socket that is closed before throws away what the
// peer has not yet read.
constexpr std::chrono::milliseconds kLinger{1000};

void drop_if_large(std::string* buffer) {
  if (buffer->capacity() > kKept) std::string().swap(*buffer);
}

}  // namespace

Connection::Connection(ConnectionSet& set, int descriptor, std::string peer,
                       std::unique_ptr<Transport> transport)
    : set_(set),
      descriptor_(descriptor),
      peer_(std::move(peer)),
      poll_(set.loop(), descriptor, [this](int events) { ready(events); }),
      transport_(std::move(transport)),
      last_heard_(std::chrono::steady_clock::now()) {
  poll_.watch(UV_READABLE);
}

Connection::~Connection() { close(descriptor_); }

void Connection::speak(std::unique_ptr<Protocol> protocol) { protocol_ = std::move(protocol); }

void Connection::wake() {
  if (awake_) return;
  awake_ = true;
  set_.awake_.push_back(this);
}

std::chrono::steady_clock::time_point Connection::now() { return set_.now(); }

void Connection::ready(int events) {
  if (events & UV_READABLE) read();
  wake();
}

void Connection::read() {
  const auto buffer = set_.buffer();
  const ssize_t size = recv(descriptor_, buffer.data(), buffer.size(), 0);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (size <= 0) {
    if (!over_ && !has_said_all_) transport_->lost("the client left");
    if (size < 0) tell_of_end(std::strerror(errno));
    lost_ = true;
    return;
  }
  last_heard_ = set_.now();
  if (over_ || has_said_all_) return;  // nobody listens any more
  bool over = false;
  const std::string_view plain = transport_->open({buffer.data(), std::size_t(size)}, &over);
  if (!plain.empty()) protocol_->receive(plain);
  if (over) end();
}

void Connection::flush() {
  if (lost_ || has_said_all_) return;
  for (std::size_t written = 0; written < kOneTurn; written += out_.size()) {
    if (sent_ == out_.size()) {
      fill();
      if (out_.empty()) return finish_writing();
    }
    if (!write_out()) break;
  }
  if (lost_) return;
  const bool is_congested = protocol_->is_congested() || transport_->own_size() > kMostOwn;
  poll_.watch(is_congested ? UV_WRITABLE : UV_READABLE | UV_WRITABLE);
}

void Connection::fill() {
  out_.clear();
  sent_ = 0;
  if (!over_ && transport_->is_ready()) protocol_->send(&plain_, kOneWrite);
  if (plain_.empty() && is_over()) transport_->finish();
  transport_->seal(&plain_, &out_);
}

void Connection::end() {
  over_ = true;
  ends_since_ = set_.now();
}

bool Connection::write_out() {
  while (sent_ < out_.size()) {
    const ssize_t size =
        ::send(descriptor_, out_.data() + sent_, out_.size() - sent_, MSG_NOSIGNAL);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) {
      lost_ = errno != EAGAIN;
      if (lost_) tell_of_end(std::strerror(errno));
      return false;
    }
    sent_ += std::size_t(size);
  }
  return true;
}

void Connection::finish_writing() {
  poll_.watch(UV_READABLE);
  drop_if_large(&plain_);
  drop_if_large(&out_);
  if (!is_over()) return;
  has_said_all_ = true;
  if (!over_) ends_since_ = set_.now();
  if (shutdown(descriptor_, SHUT_WR) != 0) lost_ = true;
}

void Connection::tick(std::chrono::steady_clock::time_point now) {
  if (over_ || has_said_all_) {
    lost_ = lost_ || now - ends_since_ >= kLinger;
  } else if (!lost_) {
    lost_ = !protocol_->tick(now, last_heard_);
    if (lost_) transport_->lost("the client was silent");
    if (lost_) tell_of_end("the peer was silent for too long");
  }
  wake();
}

void Connection::tell_of_end(std::string_view reason) const {
  Log& log = Log::of_process();
  if (!log.tells(LogLevel::kDebug)) return;
  log.tell(LogLevel::kDebug, "connection_ended",
           "the connection of " + peer_ + " ends: " + std::string(reason),
           {{"peer", peer_}, {"reason", reason}});
}

}  // namespace gerank::server
