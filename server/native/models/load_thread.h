// Runs loads on a thread of its own, one after the other, so that no thread of callers waits.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include "model_catalog.h"

namespace gerank::server {

// Thread-safe but for the destructor.
class LoadThread {
 public:
  // Gets the outcome on this thread, exactly once; on the one that stops it where it ends without.
  using Done = std::function<void(LoadOutcome)>;

  // The catalog must outlive the thread.
  explicit LoadThread(ModelCatalog& catalog);

  // stop(), and waits for the load that runs.
  ~LoadThread();

  // Runs this load after all that came before. kResourceExhausted: too many wait; kUnavailable: it
  // has stopped. `done` is not called then.
  Status add(LoadOrder order, Done done);

  // Ends the loads that wait with kUnavailable. The one that runs goes on.
  void stop();

 private:
  struct Job {
    LoadOrder order;
    Done done;
  };

  void run();

  ModelCatalog& catalog_;
  std::mutex mutex_;
  std::condition_variable came_;
  std::deque<Job> waiting_;
  bool stopped_ = false;
  std::thread thread_;
};

}  // namespace gerank::server
