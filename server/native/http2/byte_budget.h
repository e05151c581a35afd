// How many bytes of callers the server holds: messages that arrive, messages that wait in the
// engine, answers that were not sent yet.
//
// A message is let in when its length is known and there is room for all of it, so that those that
// were let in can always become whole. What of a message came before that is counted apart, and so
// are small messages, for which a part is kept: callers of large ones cannot shut the others out.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <utility>

#include "limits.h"

namespace gerank::server {

// What bytes are held for.
enum class HeldFor {
  kSmallMessage,  // that was let in
  kLarge,         // a message that was let in, or answers
  kEarly,         // what came of a large message that was not let in
};

// The budget of all connections. It is thread-safe.
class ByteBudget {
 public:
  // `reserve` of the limit is kept for small messages.
  ByteBudget(std::int64_t limit, std::int64_t reserve) : limit_(limit), reserve_(reserve) {}

  // A message always fits where no other was let in; a large one, where no other large one was.
  bool has_room(std::int64_t size) const {
    if (size > std::int64_t(kSmallMessage)) return large_ == 0 || with_reserve() + size <= limit_;
    return small_ + size <= reserve_ || small_ + large_ == 0 || all() + size <= limit_;
  }

  // Whether so much has come early that more of it must be sent away.
  bool is_exceeded() const { return with_reserve() > limit_ + limit_ / 10; }

  // Whether more than half is used.
  bool is_scarce() const { return all() > limit_ / 2; }

  // So many more are held; less, where negative.
  void add(std::int64_t size, HeldFor what) {
    (what == HeldFor::kSmallMessage ? small_ : what == HeldFor::kLarge ? large_ : early_) += size;
    if (size < 0) ++given_back_;
    if (size >= kLargeBlock) large_passed_ += size;
  }

  std::int64_t held() const { return all(); }
  std::int64_t limit() const { return limit_; }

  // Changes whenever some became free.
  std::uint64_t given_back() const { return given_back_; }

  // How many bytes there have been in blocks so large that malloc keeps some of them.
  std::int64_t large_passed() const { return large_passed_; }

 private:
  static constexpr std::int64_t kLargeBlock = 128 << 10;  // from which on glibc maps a block

  std::int64_t all() const { return small_ + large_ + early_; }

  // What is not free for large messages.
  std::int64_t with_reserve() const {
    return std::max<std::int64_t>(small_, reserve_) + large_ + early_;
  }

  const std::int64_t limit_, reserve_;
  std::atomic<std::int64_t> small_{0}, large_{0}, early_{0};
  std::atomic<std::uint64_t> given_back_{0};
  std::atomic<std::int64_t> large_passed_{0};
};

class Holding;

// The budget of one connection, which draws on that of all. The connection's thread uses it.
class ConnectionBudget {
 public:
  ConnectionBudget(ByteBudget& all, std::int64_t limit) : all_(all), own_(limit, 0) {}

  // Lets a message in, which is held from now on; false: there is no room.
  bool let_in(std::int64_t size, Holding* holding);

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
  Holding() = default;
  Holding(ConnectionBudget& of, HeldFor what) : own_(&of.own_), all_(&of.all_), what_(what) {}
  Holding(Holding&& other) noexcept { *this = std::move(other); }
  Holding& operator=(Holding&& other) noexcept {
    add(-size_);
    own_ = std::exchange(other.own_, nullptr);
    all_ = std::exchange(other.all_, nullptr);
    size_ = std::exchange(other.size_, 0);
    what_ = other.what_;
    return *this;
  }
  ~Holding() { add(-size_); }

  // So many more; less, where negative.
  void add(std::int64_t size) {
    if (size == 0) return;
    size_ += size;
    for (ByteBudget* budget : {own_, all_}) {
      if (budget != nullptr) budget->add(size, what_);
    }
  }

  std::int64_t size() const { return size_; }

  // The connection ends before what it sent: from now on the bytes count among those of all only.
  void leave_connection() {
    if (own_ != nullptr) own_->add(-size_, what_);
    own_ = nullptr;
  }

 private:
  ByteBudget *own_ = nullptr, *all_ = nullptr;
  std::int64_t size_ = 0;
  HeldFor what_ = HeldFor::kLarge;
};

inline bool ConnectionBudget::let_in(std::int64_t size, Holding* holding) {
  if (!own_.has_room(size) || !all_.has_room(size)) return false;
  const bool is_small = size <= std::int64_t(kSmallMessage);
  *holding = Holding(*this, is_small ? HeldFor::kSmallMessage : HeldFor::kLarge);
  holding->add(size);
  return true;
}

}  // namespace gerank::server
