#include <caffe2/core/common.h>
#include <gerank/ops.h>

#include <string>
#include <string_view>

// GERANK_TORCH_VERSION is the build's torch, as CMake found it: "2.13.0".

// gerank/torch_version.py looks for this text in the library's file before it is loaded.
extern "C" GERANK_EXPORT const char gerank_built_for[];
const char gerank_built_for[] = "gerank was built for torch " GERANK_TORCH_VERSION;

namespace gerank {
namespace {

// The release that a version names: "2.13.0" of "2.13.0+cpu" and of "2.13.0a0+git1234".
std::string_view release(std::string_view version) {
  return version.substr(0, version.find_first_not_of("0123456789."));
}

std::string running_torch() {
  const auto& build = caffe2::GetBuildOptions();
  const auto found = build.find("TORCH_VERSION");
  return found == build.end() ? std::string() : std::string(release(found->second));
}

}  // namespace

std::string torch_mismatch() {
  // Read from where others read it, and not from a copy that the compiler keeps in its code.
  const char* volatile text = gerank_built_for;
  const std::string_view sentence = text;
  const std::string built{release(sentence.substr(sentence.rfind(' ') + 1))};
  const std::string running = running_torch();
  if (running == built) return "";
  return std::string(sentence) + ", but this process has torch " + running +
         ": install torch==" + built + ", or build gerank again with the torch that is installed";
}

}  // namespace gerank
