// What one core can do: fused multiply-adds on registers, and reading 256 KB over and over from its
// second-level cache. Prints GFLOP/s and GB/s, the best of many short runs.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <vector>

#if defined(__AVX512F__)
constexpr int kBytes = 64, kSums = 12;
#else
constexpr int kBytes = 32, kSums = 10;  // of 16 registers
#endif
typedef float vec __attribute__((vector_size(kBytes)));
constexpr int kLanes = kBytes / sizeof(float);

template <typename Work>
double best_seconds(Work work) {
  double best = 1;
  for (int i = 0; i < 400; ++i) {
    const auto start = std::chrono::steady_clock::now();
    work();
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    best = std::min(best, taken.count());
  }
  return best;
}

int main() {
  vec sum[kSums] = {};
  const vec a = vec{} + 0.999f, b = vec{} + 0.1f;
  const double fma = best_seconds([&] {
    for (int i = 0; i < 10000; ++i) {
      for (int j = 0; j < kSums; ++j) sum[j] = sum[j] * a + b;
    }
    asm volatile("" ::"m"(sum));
  });
  std::vector<float> memory(1 << 16, 1.0f);
  const double read = best_seconds([&] {
    vec total[8] = {};
    for (size_t i = 0; i < memory.size(); i += 8 * kLanes) {
      for (int j = 0; j < 8; ++j) {
        vec one;
        __builtin_memcpy(&one, &memory[i + kLanes * j], sizeof(one));
        total[j] += one;
      }
    }
    asm volatile("" ::"m"(total));
  });
  std::printf("%f %f\n", 10000.0 * kSums * kLanes * 2 / fma / 1e9,
              memory.size() * 4.0 / read / 1e9);
}
