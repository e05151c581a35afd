#include "load_thread.h"

#include <pthread.h>

#include <chrono>
#include <utility>

namespace gerank::server {
namespace {

constexpr std::size_t kMostWaiting = 16;
constexpr std::chrono::seconds kOneLoad{1};  // about; after so long there is room again

Status draining() { return {Code::kUnavailable, "the server is draining"}; }

}  // namespace

LoadThread::LoadThread(ModelCatalog& catalog) : catalog_(catalog), thread_([this] { run(); }) {}

LoadThread::~LoadThread() {
  stop();
  thread_.join();
}

Status LoadThread::add(LoadOrder order, Done done) {
  const std::lock_guard lock(mutex_);
  if (stopped_) return draining();
  if (waiting_.size() == kMostWaiting) {
    return Status::exhausted(std::to_string(kMostWaiting) + " loads wait already", kOneLoad);
  }
  waiting_.push_back({std::move(order), std::move(done)});
  came_.notify_one();
  return {};
}

void LoadThread::stop() {
  std::deque<Job> left;
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    left.swap(waiting_);
    came_.notify_one();
  }
  for (const Job& job : left) {
    LoadOutcome outcome;
    outcome.status = draining();
    job.done(std::move(outcome));
  }
}

void LoadThread::run() {
  pthread_setname_np(pthread_self(), "gerank-loads");
  std::unique_lock lock(mutex_);
  while (true) {
    came_.wait(lock, [this] { return stopped_ || !waiting_.empty(); });
    if (stopped_) return;
    const Job job = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    job.done(catalog_.load(job.order));
    lock.lock();
  }
}

}  // namespace gerank::server
