// How many bytes of callers the server holds: messages that arrive, messages that wait in the
// engine, answers that were not sent yet.
//
// A message is let in when its length is known and there is room for all of it, so that those that
// were let in can always become whole. What of a message came before that is counted apart.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

namespace gerank::server {

// Of all connections. Thread-safe.
class ByteBudget {
 public:
  explicit ByteBudget(std::int64_t limit) : limit_(limit) {}

  // A message always fits where nothing else was let in.
  bool has_room(std::int64_t size) const {
    return let_in_ == 0 || let_in_ + early_ + size <= limit_;
  }

  // Whether so much has come early that more of it must be sent away.
  bool is_exceeded() const { return let_in_ + early_ > limit_ + limit_ / 10; }

  // Whether more than half is used.
  bool is_scarce() const { return let_in_ + early_ > limit_ / 2; }

  void add(std::int64_t size) { add(size, &let_in_); }
  void add_early(std::int64_t size) { add(size, &early_); }

  std::int64_t held() const { return let_in_ + early_; }
  std::int64_t limit() const { return limit_; }

  // Changes whenever some became free.
  std::uint64_t given_back() const { return given_back_; }

 private:
  void add(std::int64_t size, std::atomic<std::int64_t>* count) {
    *count += size;
    if (size < 0) ++given_back_;
  }

  const std::int64_t limit_;
  std::atomic<std::int64_t> let_in_{0}, early_{0};
  std::atomic<std::uint64_t> given_back_{0};
};

// Of one connection, and with it of all. Used by the connection's thread.
class ConnectionBudget {
 public:
  ConnectionBudget(ByteBudget& all, std::int64_t limit) : all_(all), own_(limit) {}

  bool has_room(std::int64_t size) const { return own_.has_room(size) && all_.has_room(size); }
  bool is_exceeded() const { return own_.is_exceeded() || all_.is_exceeded(); }
  ByteBudget& all() { return all_; }

 private:
  friend class Holding;

  ByteBudget& all_;
  ByteBudget own_;
};

// Some bytes that are held, from its making to its end. Used by one thread.
class Holding {
 public:
  enum class Kind { kLetIn, kEarly };

  Holding() = default;
  explicit Holding(ConnectionBudget& of, Kind kind = Kind::kLetIn)
      : own_(&of.own_), all_(&of.all_), kind_(kind) {}
  Holding(Holding&& other) noexcept { *this = std::move(other); }
  Holding& operator=(Holding&& other) noexcept {
    add(-size_);
    own_ = std::exchange(other.own_, nullptr);
    all_ = std::exchange(other.all_, nullptr);
    size_ = std::exchange(other.size_, 0);
    kind_ = other.kind_;
    return *this;
  }
  ~Holding() { add(-size_); }

  // So many more; less, where negative.
  void add(std::int64_t size) {
    if (size == 0) return;
    size_ += size;
    for (ByteBudget* budget : {own_, all_}) {
      if (budget == nullptr) continue;
      kind_ == Kind::kLetIn ? budget->add(size) : budget->add_early(size);
    }
  }

  std::int64_t size() const { return size_; }

  // The connection ends before what it sent: from now on the bytes count among those of all only.
  void leave_connection() {
    if (own_ != nullptr) kind_ == Kind::kLetIn ? own_->add(-size_) : own_->add_early(-size_);
    own_ = nullptr;
  }

 private:
  ByteBudget *own_ = nullptr, *all_ = nullptr;
  std::int64_t size_ = 0;
  Kind kind_ = Kind::kLetIn;
};

}  // namespace gerank::server
