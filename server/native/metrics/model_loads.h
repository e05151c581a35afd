// How the loading of models went.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>

namespace gerank::server {

struct LoadNumbers {
  struct Results {
    std::uint64_t loaded = 0, refused = 0;
  };

  std::map<std::string, Results> of_model;  // by the name under which they were to answer
  bool last_was_loaded = false;
  double last_time_s = 0;      // when the last one ended, since 1970; 0: none has
  double last_duration_s = 0;  // how long it took
};

// Thread-safe.
class ModelLoads {
 public:
  void add(const std::string& model, bool loaded, std::chrono::duration<double> took) {
    const std::lock_guard lock(mutex_);
    LoadNumbers::Results& results = numbers_.of_model[model];
    ++(loaded ? results.loaded : results.refused);
    numbers_.last_was_loaded = loaded;
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    numbers_.last_time_s = std::chrono::duration<double>(now).count();
    numbers_.last_duration_s = took.count();
  }

  LoadNumbers numbers() const {
    const std::lock_guard lock(mutex_);
    return numbers_;
  }

 private:
  mutable std::mutex mutex_;
  LoadNumbers numbers_;
};

}  // namespace gerank::server
