// Bytes as a RerankRequest: they are read, checked, ranked, answered.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "first_candidates.h"
#include "wire/name_memo.h"
#include "wire/received_request.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto engine = start_engine();
  static gerank::wire::NameMemo memo;
  static gerank::wire::ReceivedRequest request;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const gerank::Status status = request.read(*engine, bytes, gerank::kNever, memo);
  if (status.code() == gerank::Code::kInternal) std::abort();
  if (status) {
    const gerank::Status outcome = engine->rank(&request.call());
    if (outcome.code() == gerank::Code::kInternal) std::abort();
    if (outcome && request.response().empty()) std::abort();
  } else if (status.message().empty()) {
    std::abort();
  }
  request.clear();
  return 0;
}
