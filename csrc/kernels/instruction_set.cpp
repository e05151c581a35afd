#include "instruction_set.h"

#include <cstdlib>
#include <stdexcept>
#include <string>

namespace gerank::cpu {
namespace {

bool has_avx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("fma");
}

bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

const Kernels<float>& best_kernels() {
  if (has_avx512()) return kAvx512Kernels;
  return has_avx2() ? kAvx2Kernels : kPlainKernels;
}

// What GERANK_CPU names; empty where it is not set.
std::string forced_set() {
  const char* variable = std::getenv("GERANK_CPU");
  return variable == nullptr ? "" : variable;
}

const Kernels<float>& choose_kernels() {
  const std::string wanted = forced_set();
  if (wanted.empty()) return best_kernels();
  if (wanted == "plain") return kPlainKernels;
  if (wanted != "avx512" && wanted != "avx2") {
    throw std::runtime_error("gerank: GERANK_CPU must be avx512, avx2 or plain, got " + wanted);
  }
  const bool is_here = wanted == "avx512" ? has_avx512() : has_avx2();
  if (!is_here) {
    throw std::runtime_error("gerank: GERANK_CPU must name what this processor has, got " + wanted);
  }
  return wanted == "avx512" ? kAvx512Kernels : kAvx2Kernels;
}

}  // namespace

const Kernels<float>& float_kernels() {
  static const Kernels<float>& chosen = choose_kernels();
  return chosen;
}

const Bfloat16Kernels* bfloat16_kernels() {
  static const bool are_here =
      forced_set().empty() && has_avx512() && __builtin_cpu_supports("avx512bf16");
  return are_here ? &kAvx512Bf16Kernels : nullptr;
}

const Kernels<double>& double_kernels() { return kPlainDoubleKernels; }

std::string instruction_set_error() try {
  float_kernels();
  return "";
} catch (const std::runtime_error& error) {
  return error.what();
}

}  // namespace gerank::cpu
