#include "received_request.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>
#include <grpcpp/impl/codegen/proto_buffer_reader.h>

#include <cstdint>
#include <string>

#include "block_reader.h"
#include "query_reader.h"

namespace gerank::server {
namespace {

// Holds the views of 200 candidates with ids.
constexpr std::size_t kFirstBlock = 8 << 10;

// A message keeps its memory for the next one; a huge one must not keep it for ever.
constexpr std::size_t kHugeMessage = 1 << 20;

google::protobuf::ArenaOptions over(char* block) {
  google::protobuf::ArenaOptions options;
  options.initial_block = block;
  options.initial_block_size = kFirstBlock;
  return options;
}

bool parse(grpc::ByteBuffer* bytes, wire::RerankRequest* message) {
  grpc::ProtoBufferReader reader(bytes);
  return reader.status().ok() && message->ParseFromZeroCopyStream(&reader);
}

}  // namespace

std::size_t count_queries(grpc::ByteBuffer* bytes) {
  using google::protobuf::internal::WireFormatLite;
  grpc::ProtoBufferReader reader(bytes);
  if (!reader.status().ok()) return 0;
  google::protobuf::io::CodedInputStream in(&reader);
  std::size_t count = 0;
  while (const std::uint32_t tag = in.ReadTag()) {
    count += tag == WireFormatLite::MakeTag(wire::RerankRequest::kQueriesFieldNumber,
                                            WireFormatLite::WIRETYPE_LENGTH_DELIMITED);
    if (!WireFormatLite::SkipField(&in, tag)) return 0;
  }
  return count;
}

Status wrong_count(std::size_t queries, std::size_t most) {
  return Status::invalid("queries", std::to_string(queries),
                         "must be 1 to " + std::to_string(most));
}

ReceivedRequest::ReceivedRequest() : memory_(new char[kFirstBlock]), arena_(over(memory_.get())) {}

Status ReceivedRequest::read(grpc::ByteBuffer* bytes, NameMemo& memo, std::size_t max_queries) {
  if (!message_) message_.emplace();
  size_ = bytes->Length();
  const auto malformed = [this] {
    return Status::invalid("request", "'" + std::to_string(size_) + " other bytes'",
                           "must be a gerank.v1.RerankRequest");
  };
  if (!parse(bytes, &*message_)) return malformed();
  if (message_->queries_size() == 0) return wrong_count(0, max_queries);
  call_.model = message_->model();
  call_.version = message_->version();
  BlockReader blocks(memo, arena_, names_);
  Status status = read_queries(*message_, arena_, blocks, &call_.queries);
  return blocks.malformed() ? malformed() : status;
}

void ReceivedRequest::clear() {
  if (size_ > kHugeMessage) message_.reset();
  arena_.Reset();
  names_.clear();
}

}  // namespace gerank::server
