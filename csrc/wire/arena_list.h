// Lists that live as long as the arena of a request, and need no destructor.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <memory_resource>
#include <span>
#include <type_traits>

namespace gerank::wire {

using Arena = std::pmr::monotonic_buffer_resource;

template <typename T>
class List {
 public:
  using Element = T;

  void push(Arena& arena, const T& item) { append(arena, {&item, 1}); }

  void append(Arena& arena, std::span<const T> items) {
    static_assert(std::is_trivially_copyable_v<T>);
    if (capacity_ - size_ < items.size()) grow(arena, size_ + items.size());
    std::uninitialized_copy(items.begin(), items.end(), items_ + size_);
    size_ += items.size();
  }

  T* begin() { return items_; }
  T* end() { return items_ + size_; }
  std::size_t size() const { return size_; }
  std::span<const T> view() const { return {items_, size_}; }

 private:
  void grow(Arena& arena, std::size_t least) {
    capacity_ = std::max({least, 2 * capacity_, std::size_t{4}});
    void* memory = arena.allocate(capacity_ * sizeof(T), alignof(T));
    T* const larger = static_cast<T*>(memory);
    std::uninitialized_copy(items_, items_ + size_, larger);
    items_ = larger;
  }

  T* items_ = nullptr;
  std::size_t size_ = 0, capacity_ = 0;
};

}  // namespace gerank::wire
