#include "call_queue.h"

#include <algorithm>
#include <utility>

namespace gerank {
namespace {

const char* const kExpired = "the deadline passed before the model was run";

}  // namespace

void Batch::clear() {
  lane.reset();
  parts.clear();
  queries.clear();
}

TimePoint CallQueue::flush_time(const Call& call) const {
  const TimePoint relaxed = call.arrival_ + options_.max_delay;
  if (call.deadline >= relaxed + run_time_) return relaxed;
  return std::max(call.arrival_, call.deadline - run_time_);
}

void CallQueue::push(Call* call, Microseconds run_time) {
  run_time_ = run_time;
  Lane& lane = *call->lane_;
  if (lane.calls.empty()) lanes_.push_back(call->lane_);
  call->widest_ = 0;
  for (const Query& query : call->queries) {
    call->widest_ = std::max(call->widest_, query.candidate_count);
  }
  lane.calls.push_back(call);
  lane.queries += call->queries.size();
  look_at(*call, &lane);
  size_ += call->queries.size();
}

// What a lane must know of a call that waits in it.
void CallQueue::look_at(const Call& call, Lane* lane) const {
  lane->flush_at = std::min(lane->flush_at, flush_time(call));
  lane->widest = std::max(lane->widest, call.widest_);
}

bool CallQueue::fills_a_batch(const Lane& lane) const {
  return lane.queries >= options_.max_batch ||
         lane.queries * static_cast<std::size_t>(lane.widest) >= options_.max_batch_candidates;
}

TimePoint CallQueue::due_at(const Lane& lane) const {
  // Some moment that has passed for sure: the arrival of its first call.
  return fills_a_batch(lane) ? lane.calls.front()->arrival_ : lane.flush_at;
}

TimePoint CallQueue::due_at() const {
  TimePoint due = kNever;
  for (const auto& lane : lanes_) due = std::min(due, due_at(*lane));
  return due;
}

bool CallQueue::take(TimePoint now, bool at_once, Batch* batch, std::vector<Ended>* expired) {
  batch->clear();
  std::shared_ptr<Lane> first;
  for (const auto& lane : lanes_) {
    if (!at_once && due_at(*lane) > now) continue;
    if (!first || lane->calls.front()->arrival_ < first->calls.front()->arrival_) first = lane;
  }
  if (!first) return false;
  take_from(*first, now, batch, expired);
  settle();
  if (batch->parts.empty()) return false;
  batch->lane = std::move(first);
  return true;
}

void CallQueue::take_from(Lane& lane, TimePoint now, Batch* batch, std::vector<Ended>* expired) {
  std::int64_t candidates = 0;  // the largest M
  while (!lane.calls.empty()) {
    Call* call = lane.calls.front();
    if (call->taken_ == 0 && call->deadline <= now) {
      lane.queries -= call->queries.size();
      size_ -= call->queries.size();
      expired->push_back({call, Status(Code::kDeadlineExceeded, kExpired)});
    } else if (!take_some(call, batch, &candidates)) {
      break;
    } else {
      lane.queries -= batch->parts.back().count;
      size_ -= batch->parts.back().count;
      if (call->taken_ < call->queries.size()) break;
    }
    lane.calls.pop_front();
  }
}

// Takes queries of one call until it or the batch has no more room; false if there was none.
bool CallQueue::take_some(Call* call, Batch* batch, std::int64_t* candidates) const {
  const std::size_t first = call->taken_;
  while (call->taken_ < call->queries.size() && batch->queries.size() < options_.max_batch) {
    const Query& query = call->queries[call->taken_];
    const std::int64_t widest = std::max(*candidates, query.candidate_count);
    const std::size_t cost = (batch->queries.size() + 1) * static_cast<std::size_t>(widest);
    if (!batch->queries.empty() && cost > options_.max_batch_candidates) break;
    *candidates = widest;
    batch->queries.push_back(&query);
    ++call->taken_;
  }
  if (call->taken_ == first) return false;
  batch->parts.push_back({call, first, call->taken_ - first});
  return true;
}

template <typename Select>
void CallQueue::remove_if(const Select& select, const Status& status, std::vector<Ended>* ended) {
  for (const auto& lane : lanes_) {
    const auto removed = [&](Call* call) {
      if (!select(call)) return false;
      const std::size_t rest = call->queries.size() - call->taken_;
      lane->queries -= rest;
      size_ -= rest;
      if (ended != nullptr) ended->push_back({call, status});
      return true;
    };
    std::erase_if(lane->calls, removed);
  }
  settle();
}

bool CallQueue::remove(Call* call) {
  // A call that is not in the engine has no lane; only identity is asked of any other.
  const std::size_t before = size_;
  remove_if([call](Call* each) { return each == call && each->taken_ == 0; }, Status(), nullptr);
  return size_ < before;
}

void CallQueue::remove_rest(Call* call) {
  remove_if([call](Call* each) { return each == call; }, Status(), nullptr);
}

void CallQueue::expire(TimePoint now, std::vector<Ended>* expired) {
  remove_if([now](Call* call) { return call->taken_ == 0 && call->deadline <= now; },
            Status(Code::kDeadlineExceeded, kExpired), expired);
}

void CallQueue::clear(const Status& status, std::vector<Ended>* ended) {
  remove_if([](Call* call) { return call->taken_ == 0; }, status, ended);
}

TimePoint CallQueue::next_deadline() const {
  TimePoint next = kNever;
  for (const auto& lane : lanes_) {
    for (const Call* call : lane->calls) {
      if (call->taken_ == 0) next = std::min(next, call->deadline);
    }
  }
  return next;
}

// Lanes without calls leave; the others learn when their queries are due.
void CallQueue::settle() {
  std::erase_if(lanes_, [](const auto& lane) { return lane->calls.empty(); });
  for (const auto& lane : lanes_) {
    lane->flush_at = kNever;
    lane->widest = 0;
    for (const Call* call : lane->calls) look_at(*call, lane.get());
  }
}

}  // namespace gerank
