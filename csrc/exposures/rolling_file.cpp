#include "rolling_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

namespace gerank::exposures {
namespace {

constexpr const char* kPrefix = "exposures-";
constexpr const char* kEnding = ".pb";
constexpr const char* kPart = ".part";

std::int64_t unix_us() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
}

}  // namespace

RollingFile::RollingFile(std::string folder, std::chrono::seconds most_age)
    : folder_(std::move(folder)), most_age_(most_age) {}

RollingFile::~RollingFile() {
  if (is_open()) ::close(descriptor_);
}

int RollingFile::open() {
  std::error_code error;
  std::filesystem::create_directories(folder_, error);
  char name[80];
  std::snprintf(name, sizeof name, "%s%016lld-%d-%llu%s", kPrefix, (long long)unix_us(),
                int(getpid()), (unsigned long long)files_, kEnding);
  name_ = folder_ + "/" + name;
  path_ = name_ + kPart;
  descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (!is_open()) return errno;
  ++files_;
  size_ = 0;
  due_ = Clock::now() + most_age_;
  return 0;
}

int RollingFile::append(std::string_view records) {
  if (!is_open()) {
    if (const int error = open(); error != 0) return error;
  }
  for (std::string_view rest = records; !rest.empty();) {
    const ssize_t written = ::write(descriptor_, rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      const int error = written < 0 ? errno : EIO;
      // What a file system does not take back is a torn record, behind which nothing may follow.
      if (ftruncate(descriptor_, off_t(size_)) != 0 || lseek(descriptor_, 0, SEEK_END) < 0) close();
      return error;
    }
    rest.remove_prefix(std::size_t(written));
  }
  size_ += records.size();
  return 0;
}

int RollingFile::close() {
  if (!is_open()) return 0;
  ::close(std::exchange(descriptor_, -1));
  const bool failed =
      size_ == 0 ? ::unlink(path_.c_str()) != 0 : std::rename(path_.c_str(), name_.c_str()) != 0;
  if (std::exchange(size_, 0) == 0) --files_;
  return failed ? errno : 0;
}

void remove_oldest(const std::string& folder, std::uint64_t most_bytes) {
  namespace fs = std::filesystem;
  std::error_code error;
  std::vector<std::pair<std::string, std::uint64_t>> files;
  std::uint64_t bytes = 0;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename();
    if (!name.starts_with(kPrefix) || !name.ends_with(kEnding)) continue;
    const std::uint64_t size = entry.file_size(error);
    if (error) continue;
    files.emplace_back(entry.path(), size);
    bytes += size;
  }
  std::sort(files.begin(), files.end());  // their names begin with the time
  for (auto file = files.begin(); bytes > most_bytes && file != files.end(); ++file) {
    fs::remove(file->first, error);
    bytes -= file->second;
  }
}

}  // namespace gerank::exposures
