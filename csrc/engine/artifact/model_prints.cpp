#include <gerank/engine.h>
#include <torch/csrc/jit/runtime/print_handler.h>

#include <string>

namespace gerank {

void Engine::drop_model_prints() noexcept {
  torch::jit::setPrintHandler([](const std::string&) {});
}

}  // namespace gerank
