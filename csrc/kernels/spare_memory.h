// Memory that outlives its user, for the next one: a fresh large allocation costs its page faults.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

namespace gerank::cpu {

struct FreeMemory {
  void operator()(std::byte* memory) const { std::free(memory); }
};
using AlignedMemory = std::unique_ptr<std::byte, FreeMemory>;

// `size` bytes for an Arena.
inline AlignedMemory aligned_memory(int64_t size) {
  AlignedMemory memory(static_cast<std::byte*>(std::aligned_alloc(64, (size + 63) / 64 * 64)));
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

// Memory from the process's spare pieces, where it goes back to in the end. Any thread may.
class SpareMemory {
 public:
  explicit SpareMemory(int64_t size) : piece_(take(size)) {}
  ~SpareMemory() { give(std::move(piece_)); }
  SpareMemory(const SpareMemory&) = delete;
  SpareMemory& operator=(const SpareMemory&) = delete;

  std::byte* get() const { return piece_.memory.get(); }

 private:
  struct Piece {
    AlignedMemory memory;
    int64_t size;
  };
  static constexpr size_t kMostPieces = 8;
  static constexpr int64_t kLargest = 16 << 20;  // what is larger is not kept

  struct Store {
    Store() { pieces.reserve(kMostPieces + 1); }  // so that giving back cannot fail

    std::mutex mutex;
    std::vector<Piece> pieces;
  };

  // Never destroyed: a decoder may be gone after every static object.
  static Store& store() {
    static Store& only = *new Store;
    return only;
  }

  static Piece take(int64_t size) {
    Store& from = store();
    {
      const std::lock_guard lock(from.mutex);
      for (Piece& piece : from.pieces) {
        if (piece.size < size) continue;
        std::swap(piece, from.pieces.back());
        Piece taken = std::move(from.pieces.back());
        from.pieces.pop_back();
        return taken;
      }
    }
    return {aligned_memory(size), size};
  }

  // The smallest goes where there are too many.
  static void give(Piece piece) {
    if (piece.size > kLargest) return;
    Store& to = store();
    const std::lock_guard lock(to.mutex);
    to.pieces.push_back(std::move(piece));
    if (to.pieces.size() <= kMostPieces) return;
    size_t least = 0;
    for (size_t i = 1; i < to.pieces.size(); ++i) {
      if (to.pieces[i].size < to.pieces[least].size) least = i;
    }
    std::swap(to.pieces[least], to.pieces.back());
    to.pieces.pop_back();
  }

  Piece piece_;
};

}  // namespace gerank::cpu
