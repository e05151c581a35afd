#include "torchscript_part.h"

#include <dlfcn.h>
#include <gerank/engine.h>

#include <mutex>
#include <string_view>

#include "refusal.h"

namespace gerank {
namespace {

constexpr const char* kLibrary = "libgerank_torchscript.so";

std::mutex mutex;
const TorchScriptPart* loaded = nullptr;  // guarded by `mutex`, as is the next
bool prints_are_dropped = false;

// The folder of the library that this code is in, with its slash.
std::string own_folder() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<const void*>(&own_folder), &info) == 0) return "";
  const std::string path = info.dli_fname;
  return path.substr(0, path.rfind('/') + 1);
}

const TorchScriptPart& load() {
  const std::string path = own_folder() + kLibrary;
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    throw Refusal{std::string(kLibrary) + ", which runs it, cannot be loaded: " + dlerror() +
                  "; it needs the torch that gerank was built with"};
  }
  const auto* part = static_cast<const TorchScriptPart*>(dlsym(library, "gerank_torchscript_part"));
  if (part == nullptr || part->version != std::string_view(GERANK_VERSION)) {
    throw Refusal{path + " belongs to gerank " + (part == nullptr ? "0" : part->version) +
                  ", and this is gerank " GERANK_VERSION};
  }
  return *part;
}

}  // namespace

const TorchScriptPart& torchscript_part() {
  const std::lock_guard lock(mutex);
  if (loaded == nullptr) {
    loaded = &load();
    if (prints_are_dropped) loaded->drop_prints();
  }
  return *loaded;
}

void Engine::drop_model_prints() noexcept {
  const std::lock_guard lock(mutex);
  prints_are_dropped = true;
  if (loaded != nullptr) loaded->drop_prints();
}

}  // namespace gerank
