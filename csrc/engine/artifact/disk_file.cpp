#include "disk_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <system_error>

#include "refusal.h"

namespace gerank {
namespace {

std::string reason(int error) { return std::generic_category().message(error); }

const char* kind(mode_t mode) {
  if (S_ISDIR(mode)) return "a directory";
  if (S_ISFIFO(mode)) return "a FIFO";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

void refuse_other_kinds(mode_t mode) {
  if (S_ISREG(mode)) return;
  throw Refusal{std::string("is ") + kind(mode) + ", not a regular file"};
}

}  // namespace

DiskFile::DiskFile(const std::string& path) {
  struct stat status{};
  if (stat(path.c_str(), &status) != 0) {
    const bool missing = errno == ENOENT || errno == ENOTDIR;
    throw Refusal{missing ? "no such file" : "cannot be read: " + reason(errno)};
  }
  refuse_other_kinds(status.st_mode);  // before it is opened: to open a device may do something
  descriptor_ = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor_ < 0) throw Refusal{"cannot be read: " + reason(errno)};
  if (fstat(descriptor_, &status) != 0 || !S_ISREG(status.st_mode)) {
    close(descriptor_);
    throw Refusal{"was replaced while it was opened"};
  }
  size_ = static_cast<std::size_t>(status.st_size);
}

DiskFile::~DiskFile() { close(descriptor_); }

bool DiskFile::read(std::uint64_t position, void* buffer, std::size_t count) const {
  std::size_t done = 0;
  while (done < count) {
    const ssize_t got = pread(descriptor_, static_cast<char*>(buffer) + done, count - done,
                              static_cast<off_t>(position + done));
    if (got > 0) done += static_cast<std::size_t>(got);
    if (got == 0 || (got < 0 && errno != EINTR)) return false;
  }
  return true;
}

ArtifactFile DiskFile::content() const {
  const auto content = std::make_shared<FileBytes>(size_);
  if (!read(0, content->data(), size_)) throw Refusal{"cannot be read to its end"};
  return content;
}

}  // namespace gerank
