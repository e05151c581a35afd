#include "record_writer.h"

#include <cerrno>
#include <string_view>
#include <system_error>
#include <utility>

#include "exposure.h"

namespace gerank::exposures {
namespace {

constexpr std::size_t kMostAtOnce = 256 << 10;  // bytes of one write, beyond its last record

}  // namespace

RecordWriter::RecordWriter(std::string folder, std::uint64_t file_bytes,
                           std::chrono::seconds file_age, std::uint64_t max_bytes)
    : folder_(folder),
      file_bytes_(file_bytes),
      max_bytes_(max_bytes),
      file_(std::move(folder), file_age) {}

void RecordWriter::take(std::string records, std::size_t count) {
  records_ = std::move(records);
  done_ = 0;
  count_ = count;
  one_by_one_ = false;
}

bool RecordWriter::write() {
  while (done_ < records_.size()) {
    std::size_t count = 0;
    const std::size_t size = next_size(&count);
    if (file_.size() > 0 && file_.size() + size > file_bytes_) close();
    const int error = file_.append(std::string_view(records_).substr(done_, size));
    if (error == 0) {
      counts_.written += count;
      counts_.bytes += size;
      move_on(size, count);
      continue;
    }
    note(error);
    if (count > 1) {
      one_by_one_ = true;
    } else if (file_.size() > 0) {
      close();  // another file may take it
    } else if (error == EFBIG) {
      ++counts_.dropped;
      move_on(size, count);
    } else {
      close();
      return false;
    }
  }
  records_ = {};
  done_ = 0;
  counts_.files = file_.files();
  return true;
}

// As many whole records as one write may take: they fit into a file, or there is only one.
std::size_t RecordWriter::next_size(std::size_t* count) const {
  const std::string_view rest = std::string_view(records_).substr(done_);
  std::size_t size = 0;
  while (size < rest.size()) {
    const std::size_t next = first_record_size(rest.substr(size));
    if (*count > 0 &&
        (one_by_one_ || size > kMostAtOnce || file_.size() + size + next > file_bytes_)) {
      break;
    }
    size += next;
    ++*count;
  }
  return size;
}

void RecordWriter::move_on(std::size_t size, std::size_t count) {
  done_ += size;
  count_ -= count;
}

void RecordWriter::close() {
  if (const int error = file_.close(); error != 0) note(error);
  counts_.files = file_.files();
  if (max_bytes_ > 0) remove_oldest(folder_, max_bytes_);
}

void RecordWriter::note(int error) {
  last_error_ = file_.path() + ": " + std::generic_category().message(error);
}

}  // namespace gerank::exposures
