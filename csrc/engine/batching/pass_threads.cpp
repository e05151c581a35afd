#include "pass_threads.h"

#include <algorithm>
#include <exception>
#include <mutex>

namespace gerank {
namespace {

thread_local int threads_here = 0;

}  // namespace

int pass_threads() noexcept { return threads_here; }

void set_pass_threads(int threads) noexcept { threads_here = threads; }

void share_out(std::int64_t count, int threads, const std::function<void(std::int64_t)>& work) {
  const int team = static_cast<int>(std::min<std::int64_t>(threads, count));
  std::exception_ptr first;  // an exception may not leave a parallel region
  std::mutex mutex;
#pragma omp parallel for num_threads(team) schedule(dynamic, 1)
  for (std::int64_t i = 0; i < count; ++i) {
    try {
      work(i);
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (first == nullptr) first = std::current_exception();
    }
  }
  if (first != nullptr) std::rethrow_exception(first);
}

}  // namespace gerank
