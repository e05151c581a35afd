// Marks threads on which nobody may wait for an engine, since he would wait for himself.
#pragma once

namespace gerank {

// While one of these is alive, its thread works for `engine`: runs its queue, a model in its place,
// or a callback. They nest, since a callback of one engine may call another.
class Inside {
 public:
  explicit Inside(const void* engine) noexcept : engine_(engine), outer_(innermost_) {
    innermost_ = this;
  }
  ~Inside() { innermost_ = outer_; }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;

  // Whether the calling thread works for `engine`.
  static bool of(const void* engine) noexcept {
    for (const Inside* each = innermost_; each != nullptr; each = each->outer_) {
      if (each->engine_ == engine) return true;
    }
    return false;
  }

 private:
  const void* const engine_;
  const Inside* const outer_;

  static thread_local const Inside* innermost_;
};

inline thread_local const Inside* Inside::innermost_ = nullptr;

}  // namespace gerank
