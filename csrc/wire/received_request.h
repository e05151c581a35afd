// What one caller sent, the engine's view of it, and the bytes of its answer: for every front.
#pragma once

#include <gerank/engine.h>
#include <gerank/status.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "arena_list.h"
#include "name_memo.h"

namespace gerank::wire {

// Used again for caller after caller: what it allocates first, it keeps. Some 20 KB that are in the
// caches if the last caller was answered a moment ago, and only then.
class ReceivedRequest {
 public:
  ReceivedRequest();

  // Reads a serialized RerankRequest into the call, if `engine` expects to take it; what it does
  // not take is counted there. The bytes must stay as they are until clear(). Lists of names that
  // `memo` has are not read again.
  //
  // kInvalidArgument, naming field and value; or what Engine::expect says.
  Status read(Engine& engine, std::string_view bytes, TimePoint deadline, NameMemo& memo);

  Call& call() { return call_; }

  // The serialized RerankResponse to a call that ended with OK.
  std::string response() const;

  // Forgets the request.
  void clear();

 private:
  Status read_queries(std::string_view bytes, NameMemo& memo);

  std::unique_ptr<std::byte[]> memory_;    // the arena's first block, which it keeps
  Arena arena_;                            // of the views
  std::span<const std::string_view> ids_;  // of the queries
  Call call_;
};

}  // namespace gerank::wire
