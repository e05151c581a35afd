#include "option_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

namespace gerank::server {
namespace {

constexpr std::size_t kLargest = 1 << 20;

std::int64_t nanoseconds(const timespec& time) {
  return std::int64_t(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

Status cannot(const char* option, const std::string& path, const std::string& reason) {
  return Status::invalid(option, reason, path + " must be a file that can be read");
}

// A descriptor that is closed at the end.
struct Descriptor {
  ~Descriptor() {
    if (number != -1) close(number);
  }
  const int number;
};

}  // namespace

FileStamp stamp_of(const std::string& path) {
  struct stat found;
  if (stat(path.c_str(), &found) != 0) return {};
  return {found.st_dev, found.st_ino, found.st_size, nanoseconds(found.st_mtim),
          nanoseconds(found.st_ctim)};
}

Status read_option_file(const char* option, const std::string& path, std::string* content) {
  const Descriptor file{open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)};
  if (file.number == -1) return cannot(option, path, std::strerror(errno));
  struct stat found;
  if (fstat(file.number, &found) != 0) return cannot(option, path, std::strerror(errno));
  if (!S_ISREG(found.st_mode)) return cannot(option, path, "something that is no regular file");
  content->resize(kLargest + 1);
  std::size_t size = 0;
  while (size < content->size()) {
    const ssize_t part = read(file.number, content->data() + size, content->size() - size);
    if (part < 0 && errno == EINTR) continue;
    if (part < 0) return cannot(option, path, std::strerror(errno));
    if (part == 0) break;
    size += std::size_t(part);
  }
  if (size > kLargest) return cannot(option, path, "more than 1 MiB");
  content->resize(size);
  return {};
}

}  // namespace gerank::server
