#include "process_numbers.h"

#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <system_error>

namespace gerank::server {
namespace {

double seconds(const timeval& time) { return double(time.tv_sec) + double(time.tv_usec) / 1e6; }

// Iterating holds one descriptor open itself.
std::uint64_t count_descriptors() {
  std::error_code error;
  std::uint64_t count = 0;
  for (std::filesystem::directory_iterator at("/proc/self/fd", error), end; !error && at != end;
       at.increment(error)) {
    ++count;
  }
  return count > 0 ? count - 1 : 0;
}

// proc(5): the start is field 22 of stat, in ticks since the boot; fields 1 and 2 hold the name,
// which may hold anything.
double start_time_s() {
  std::ifstream file("/proc/self/stat");
  std::string line;
  std::getline(file, line);
  const std::size_t name_end = line.rfind(')');
  if (name_end == std::string::npos) return 0;
  std::istringstream fields(line.substr(name_end + 1));
  std::string skipped;
  for (int field = 3; field < 22; ++field) fields >> skipped;
  double ticks = 0;
  fields >> ticks;
  timespec boot{};
  clock_gettime(CLOCK_BOOTTIME, &boot);
  const double up = double(boot.tv_sec) + double(boot.tv_nsec) / 1e9;
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count() - up + ticks / double(sysconf(_SC_CLK_TCK));
}

}  // namespace

ProcessNumbers process_numbers() {
  ProcessNumbers numbers;
  numbers.open_descriptors = count_descriptors();
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) numbers.descriptor_limit = limit.rlim_cur;
  std::uint64_t size = 0, resident = 0;  // pages
  std::ifstream("/proc/self/statm") >> size >> resident;
  const auto page = std::uint64_t(sysconf(_SC_PAGESIZE));
  numbers.virtual_bytes = size * page;
  numbers.resident_bytes = resident * page;
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) == 0) {
    numbers.cpu_s = seconds(usage.ru_utime) + seconds(usage.ru_stime);
  }
  static const double start = start_time_s();  // the clock may be set meanwhile
  numbers.start_time_s = start;
  return numbers;
}

}  // namespace gerank::server
