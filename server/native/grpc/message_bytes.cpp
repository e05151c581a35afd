#include "message_bytes.h"

#include <sys/mman.h>

#include <new>
#include <utility>

namespace gerank::server {
namespace {

constexpr std::size_t kLarge = 256 << 10;

char* allocate(std::size_t size) {
  if (size < kLarge) return new char[size];
  void* const mapped =
      mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) throw std::bad_alloc();
  return static_cast<char*>(mapped);
}

}  // namespace

MessageBytes::MessageBytes(std::size_t size, Holding holding)
    : data_(allocate(size)), size_(size), holding_(std::move(holding)) {}

MessageBytes& MessageBytes::operator=(MessageBytes&& other) noexcept {
  clear();
  data_ = std::exchange(other.data_, nullptr);
  size_ = std::exchange(other.size_, 0);
  holding_ = std::move(other.holding_);
  return *this;
}

void MessageBytes::clear() {
  if (size_ < kLarge) {
    delete[] data_;
  } else {
    munmap(data_, size_);
  }
  data_ = nullptr;
  size_ = 0;
  holding_ = Holding();
}

}  // namespace gerank::server
