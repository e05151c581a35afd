#include "call_queue.h"

#include <algorithm>
#include <utility>

#include "batch_limits.h"

namespace gerank {
namespace {

// What comes on top of a forward pass: a thread that wakes up, padding, the way back.
constexpr Microseconds kMargin{1000};

Status expired() {
  return Status(Code::kDeadlineExceeded, "the deadline passed before the model was run");
}

}  // namespace

void Batch::add(const EngineOptions& options, const Query& query) {
  queries.push_back(&query);
  widest = std::max(widest, query.candidate_count);
  load += share_of_pass(options, query.candidate_count);
}

void Batch::clear() {
  lane.reset();
  parts.clear();
  queries.clear();
  load = widest = 0;
}

Microseconds Batch::expected() const { return lane->full_pass * load / kFullPass; }

Backlog CallQueue::backlog() const {
  Backlog all;
  for (const auto& lane : lanes_) {
    const std::int64_t passes = lane->load / kFullPass;
    all.full += lane->full_pass * passes;
    all.rest += lane->full_pass * (lane->load % kFullPass) / kFullPass;
    if (passes > 0) all.longest = std::max(all.longest, lane->full_pass);
  }
  return all;
}

TimePoint CallQueue::flush_time(const Call& call) const {
  const TimePoint relaxed = call.arrival_ + options_.max_delay;
  const TimePoint latest = call.deadline - call.lane_->full_pass - kMargin;
  return latest >= relaxed ? relaxed : std::max(call.arrival_, latest);
}

void CallQueue::push(Call* call) {
  Lane& lane = *call->lane_;
  if (lane.calls.empty()) lanes_.push_back(call->lane_);
  call->widest_ = 0;
  for (const Query& query : call->queries) {
    call->widest_ = std::max(call->widest_, query.candidate_count);
    lane.load += share_of_pass(options_, query.candidate_count);
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
  return lane.queries >= most_queries(options_, lane.widest);
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

bool CallQueue::take(TimePoint now, bool at_once, Batch* batch, std::vector<Ended>* ended) {
  batch->clear();
  std::shared_ptr<Lane> first;
  for (const auto& lane : lanes_) {
    if (!at_once && due_at(*lane) > now) continue;
    if (!first || lane->calls.front()->arrival_ < first->calls.front()->arrival_) first = lane;
  }
  if (!first) return false;
  take_from(*first, now, batch, ended);
  settle();
  if (batch->parts.empty()) return false;
  batch->lane = std::move(first);
  return true;
}

void CallQueue::take_from(Lane& lane, TimePoint now, Batch* batch, std::vector<Ended>* ended) {
  while (!lane.calls.empty()) {
    Call* call = lane.calls.front();
    if (call->deadline <= now) {
      drop_from(lane, call, expired(), ended);
    } else if (!take_some(lane, call, batch)) {
      break;
    } else if (call->taken_ < call->queries.size()) {
      break;
    }
    lane.calls.pop_front();
  }
}

// Takes queries of one call until it or the batch has no more room; false if there was none.
bool CallQueue::take_some(Lane& lane, Call* call, Batch* batch) {
  const std::size_t first = call->taken_;
  while (call->taken_ < call->queries.size()) {
    const Query& query = call->queries[call->taken_];
    const std::int64_t widest = std::max(batch->widest, query.candidate_count);
    if (!batch->queries.empty() && batch->queries.size() >= most_queries(options_, widest)) break;
    batch->add(options_, query);
    lane.load -= share_of_pass(options_, query.candidate_count);
    ++call->taken_;
  }
  const std::size_t count = call->taken_ - first;
  if (count == 0) return false;
  lane.queries -= count;
  size_ -= count;
  batch->parts.push_back({call, first, count, {}});
  return true;
}

// Drops what no worker has taken of a call that leaves lane.calls.
void CallQueue::drop_from(Lane& lane, Call* call, const Status& status, std::vector<Ended>* ended) {
  const std::size_t rest = call->queries.size() - call->taken_;
  for (const Query& query : call->queries.subspan(call->taken_)) {
    lane.load -= share_of_pass(options_, query.candidate_count);
  }
  lane.queries -= rest;
  size_ -= rest;
  call->open_ -= rest;
  call->taken_ = call->queries.size();
  if (call->outcome_) call->outcome_ = status;
  if (call->open_ == 0) ended->push_back({call, std::move(call->outcome_)});
}

template <typename Select>
void CallQueue::drop_if(const Select& select, const Status& status, std::vector<Ended>* ended) {
  for (const auto& lane : lanes_) {
    std::erase_if(lane->calls, [&](Call* call) {
      if (!select(call)) return false;
      drop_from(*lane, call, status, ended);
      return true;
    });
  }
  settle();
}

bool CallQueue::drop(Call* call, const Status& status, std::vector<Ended>* ended) {
  // A call that is not in the engine has no lane; only identity is asked of any other.
  const std::size_t before = size_;
  drop_if([call](Call* each) { return each == call; }, status, ended);
  return size_ < before;
}

void CallQueue::expire(TimePoint now, std::vector<Ended>* ended) {
  drop_if([now](Call* call) { return call->deadline <= now; }, expired(), ended);
}

void CallQueue::clear(const Status& status, std::vector<Ended>* ended) {
  drop_if([](Call*) { return true; }, status, ended);
}

TimePoint CallQueue::next_deadline() const {
  TimePoint next = kNever;
  for (const auto& lane : lanes_) {
    for (const Call* call : lane->calls) next = std::min(next, call->deadline);
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
