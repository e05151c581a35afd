// What this library shows to the engine: engine/artifact/torchscript_part.h.
#include <ATen/core/dispatch/Dispatcher.h>
#include <gerank/export.h>
#include <gerank/ops.h>
#include <torch/csrc/jit/runtime/print_handler.h>

#include <locale>
#include <sstream>
#include <string>

#include "../engine/artifact/torchscript_part.h"
#include "packed_records.h"
#include "pickled_golden.h"
#include "scripted_generator.h"

namespace gerank {
namespace {

std::string op_schema(const std::string& name) {
  const auto op = c10::Dispatcher::singleton().findSchema({"gerank::" + name, ""});
  if (!op) return "";
  std::ostringstream text;
  text.imbue(std::locale::classic());  // the host's may group the digits of a default
  text << op->schema();
  return text.str();
}

void drop_prints() {
  torch::jit::setPrintHandler([](const std::string&) {});
}

}  // namespace
}  // namespace gerank

extern "C" GERANK_EXPORT const gerank::TorchScriptPart gerank_torchscript_part;
const gerank::TorchScriptPart gerank_torchscript_part = {
    GERANK_VERSION,         gerank::torch_mismatch,      gerank::op_schema,
    gerank::unpack_records, gerank::read_pickled_golden, gerank::load_generator,
    gerank::drop_prints};
