// Re-ranks a batch of requests in a C++ process, with libtorch and libgerank alone.
//
//   cpp_minimal MODEL REQUESTS
//
// MODEL is an artifact (`gerank export`); REQUESTS holds the tensors of a gerank.data.batch
// RerankBatch (write_requests.py). Prints a line per request: slot:candidate:log_prob for every
// filled slot.

#include <torch/script.h>

#include <cstdio>
#include <exception>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

std::vector<char> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

void print_slates(const at::Tensor& slates, const at::Tensor& log_prob) {
  const auto choice = slates.accessor<int64_t, 2>();  // [B, N]
  const auto score = log_prob.accessor<float, 2>();   // [B, N]
  for (int64_t b = 0; b < slates.size(0); ++b) {
    for (int64_t n = 0; n < slates.size(1); ++n) {
      if (choice[b][n] < 0) continue;  // an empty slot
      std::printf("%ld:%ld:%.9g ", long(n), long(choice[b][n]), double(score[b][n]));
    }
    std::printf("\n");
  }
}

int main(int argc, char** argv) try {
  if (argc != 3) throw std::runtime_error("usage: cpp_minimal MODEL REQUESTS");
  const c10::InferenceMode no_gradients;
  auto generator = torch::jit::load(argv[1]);
  const c10::IValue requests = torch::jit::pickle_load(read_file(argv[2]));
  const c10::IValue answer = generator.forward(requests.toListRef().vec());
  const auto& fields = answer.toTupleRef().elements();  // slates, log_prob, relaxed
  print_slates(fields[0].toTensor(), fields[1].toTensor());
} catch (const c10::Error& error) {
  std::fprintf(stderr, "cpp_minimal: %s\n", error.what_without_backtrace());
  return 1;
} catch (const std::exception& error) {
  std::fprintf(stderr, "cpp_minimal: %s\n", error.what());
  return 1;
}
