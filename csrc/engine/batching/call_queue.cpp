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
  model_queue.reset();
  parts.clear();
  queries.clear();
  load = widest = 0;
}

Microseconds Batch::expected() const { return model_queue->full_pass * load / kFullPass; }

Backlog CallQueue::backlog() const {
  Backlog all;
  for (const auto& model_queue : model_queues_) {
    const std::int64_t passes = model_queue->load / kFullPass;
    all.full += model_queue->full_pass * passes;
    all.rest += model_queue->full_pass * (model_queue->load % kFullPass) / kFullPass;
    if (passes > 0) all.longest = std::max(all.longest, model_queue->full_pass);
  }
  return all;
}

TimePoint CallQueue::flush_time(const Call& call) const {
  const TimePoint relaxed = call.arrival_ + options_.max_delay;
  const TimePoint latest = call.deadline - call.model_queue_->full_pass - kMargin;
  return latest >= relaxed ? relaxed : std::max(call.arrival_, latest);
}

void CallQueue::push(Call* call) {
  ModelQueue& model_queue = *call->model_queue_;
  if (model_queue.calls.empty()) model_queues_.push_back(call->model_queue_);
  call->widest_ = 0;
  for (const Query& query : call->queries) {
    call->widest_ = std::max(call->widest_, query.candidate_count);
    model_queue.load += share_of_pass(options_, query.candidate_count);
  }
  model_queue.calls.push_back(call);
  model_queue.queries += call->queries.size();
  look_at(*call, &model_queue);
  size_ += call->queries.size();
}

// What a model's queue must know of a call that waits in it.
void CallQueue::look_at(const Call& call, ModelQueue* model_queue) const {
  model_queue->flush_at = std::min(model_queue->flush_at, flush_time(call));
  model_queue->widest = std::max(model_queue->widest, call.widest_);
}

bool CallQueue::fills_a_batch(const ModelQueue& model_queue) const {
  return model_queue.queries >= most_queries(options_, model_queue.widest);
}

TimePoint CallQueue::due_at(const ModelQueue& model_queue) const {
  // Some moment that has passed for sure: the arrival of its first call.
  return fills_a_batch(model_queue) ? model_queue.calls.front()->arrival_ : model_queue.flush_at;
}

TimePoint CallQueue::due_at() const {
  TimePoint due = kNever;
  for (const auto& model_queue : model_queues_) due = std::min(due, due_at(*model_queue));
  return due;
}

bool CallQueue::take(TimePoint now, bool at_once, Batch* batch, std::vector<Ended>* ended) {
  batch->clear();
  std::shared_ptr<ModelQueue> first;
  for (const auto& model_queue : model_queues_) {
    if (!at_once && due_at(*model_queue) > now) continue;
    if (!first || model_queue->calls.front()->arrival_ < first->calls.front()->arrival_)
      first = model_queue;
  }
  if (!first) return false;
  take_from(*first, now, batch, ended);
  settle();
  if (batch->parts.empty()) return false;
  batch->model_queue = std::move(first);
  return true;
}

void CallQueue::take_from(ModelQueue& model_queue, TimePoint now, Batch* batch,
                          std::vector<Ended>* ended) {
  while (!model_queue.calls.empty()) {
    Call* call = model_queue.calls.front();
    if (call->deadline <= now) {
      drop_from(model_queue, call, expired(), ended);
    } else if (!take_some(model_queue, call, batch)) {
      break;
    } else if (call->taken_ < call->queries.size()) {
      break;
    }
    model_queue.calls.pop_front();
  }
}

// Takes queries of one call until it or the batch has no more room; false if there was none.
bool CallQueue::take_some(ModelQueue& model_queue, Call* call, Batch* batch) {
  const std::size_t first = call->taken_;
  while (call->taken_ < call->queries.size()) {
    const Query& query = call->queries[call->taken_];
    const std::int64_t widest = std::max(batch->widest, query.candidate_count);
    if (!batch->queries.empty() && batch->queries.size() >= most_queries(options_, widest)) break;
    batch->add(options_, query);
    model_queue.load -= share_of_pass(options_, query.candidate_count);
    ++call->taken_;
  }
  const std::size_t count = call->taken_ - first;
  if (count == 0) return false;
  model_queue.queries -= count;
  size_ -= count;
  batch->parts.push_back({call, first, count, {}});
  return true;
}

// Drops what no worker has taken of a call that leaves a model's queue.
void CallQueue::drop_from(ModelQueue& model_queue, Call* call, const Status& status,
                          std::vector<Ended>* ended) {
  const std::size_t rest = call->queries.size() - call->taken_;
  for (const Query& query : call->queries.subspan(call->taken_)) {
    model_queue.load -= share_of_pass(options_, query.candidate_count);
  }
  model_queue.queries -= rest;
  size_ -= rest;
  call->open_ -= rest;
  call->taken_ = call->queries.size();
  if (call->outcome_) call->outcome_ = status;
  if (call->open_ == 0) ended->push_back({call, std::move(call->outcome_)});
}

template <typename Select>
void CallQueue::drop_if(const Select& select, const Status& status, std::vector<Ended>* ended) {
  for (const auto& model_queue : model_queues_) {
    std::erase_if(model_queue->calls, [&](Call* call) {
      if (!select(call)) return false;
      drop_from(*model_queue, call, status, ended);
      return true;
    });
  }
  settle();
}

bool CallQueue::drop(Call* call, const Status& status, std::vector<Ended>* ended) {
  // A call that is not in the engine is in no model's queue; only identity is asked of any other.
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
  for (const auto& model_queue : model_queues_) {
    for (const Call* call : model_queue->calls) next = std::min(next, call->deadline);
  }
  return next;
}

// Queues without calls leave; the others learn when their queries are due.
void CallQueue::settle() {
  std::erase_if(model_queues_, [](const auto& model_queue) { return model_queue->calls.empty(); });
  for (const auto& model_queue : model_queues_) {
    model_queue->flush_at = kNever;
    model_queue->widest = 0;
    for (const Call* call : model_queue->calls) look_at(*call, model_queue.get());
  }
}

}  // namespace gerank
