// What one caller sent: the message, and the engine's view of it.
#pragma once

#include <gerank/engine.h>
#include <gerank/status.h>
#include <google/protobuf/arena.h>
#include <grpcpp/support/byte_buffer.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "gerank/server/wire.pb.h"
#include "name_memo.h"

namespace gerank::server {

// How many queries the message holds, without reading them: a full queue refuses thousands of calls
// a second, and must not spend the workers' time on what they say. 0 where it is no message.
std::size_t count_queries(grpc::ByteBuffer* bytes);

// What a message with none, or with more than `most`, is told.
Status wrong_count(std::size_t queries, std::size_t most);

// Used again for caller after caller: what it allocates, it keeps. Some 20 KB that are in the
// caches if the last caller was answered a moment ago, and only then.
class ReceivedRequest {
 public:
  ReceivedRequest();

  // Parses `bytes` into the message and the call, which hold nothing of them afterwards. Names that
  // `memo` keeps are not read again. The call's deadline is not touched.
  Status read(grpc::ByteBuffer* bytes, NameMemo& memo, std::size_t max_queries);

  // Forgets the message.
  void clear();

  const wire::RerankRequest& message() const { return *message_; }
  Call& call() { return call_; }

 private:
  std::unique_ptr<char[]> memory_;                      // the arena's first block, which it keeps
  google::protobuf::Arena arena_;                       // of the views
  std::vector<std::shared_ptr<const NameList>> names_;  // that blocks refer to
  // Parsing into a message that is used again takes half the time of one on an arena.
  std::optional<wire::RerankRequest> message_;
  std::size_t size_ = 0;  // of the message, in bytes
  Call call_;
};

}  // namespace gerank::server
