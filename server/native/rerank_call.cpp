#include "rerank_call.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>
#include <grpcpp/impl/codegen/proto_buffer_reader.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "answer_relay.h"
#include "block_reader.h"
#include "call_pool.h"
#include "query_reader.h"
#include "response_writer.h"
#include "status_table.h"

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

TimePoint to_steady(std::chrono::system_clock::time_point deadline) {
  if (deadline == std::chrono::system_clock::time_point::max()) return kNever;
  const auto left = deadline - std::chrono::system_clock::now();
  if (left > std::chrono::hours(24 * 365)) return kNever;
  return std::chrono::steady_clock::now() + left;
}

// How many queries the message holds, without reading them: a full queue refuses thousands of calls
// a second, and must not spend the workers' time on what they say. 0 where it is no message.
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

bool parse(grpc::ByteBuffer* bytes, wire::RerankRequest* request) {
  grpc::ProtoBufferReader reader(bytes);
  return reader.status().ok() && request->ParseFromZeroCopyStream(&reader);
}

Status not_so_many(std::size_t queries, std::size_t most) {
  return Status::invalid("queries", std::to_string(queries),
                         "must be 1 to " + std::to_string(most));
}

}  // namespace

RerankCall::RerankCall(Service& service, grpc::ServerCompletionQueue& queue, CallPool& pool,
                       AnswerRelay& relay, NameMemo& memo)
    : service_(service),
      queue_(queue),
      pool_(pool),
      relay_(relay),
      memo_(memo),
      memory_(new char[kFirstBlock]),
      arena_(over(memory_.get())) {}

void RerankCall::await() {
  writer_.reset();
  context_.emplace();
  writer_.emplace(&*context_);
  open_ends_ = 2;
  submitted_ = false;
  context_->AsyncNotifyWhenDone(&ended_);
  service_.methods.RequestRerank(&*context_, &bytes_, &*writer_, &queue_, &queue_, &arrived_);
}

void RerankCall::arrived(bool ok) {
  if (!ok) return;  // the server is shutting down; the pool owns this object
  service_.arrived.fetch_add(1, std::memory_order_relaxed);
  service_.open.fetch_add(1, std::memory_order_relaxed);
  pool_.await_another();
  call_.deadline = to_steady(context_->deadline());
  const std::size_t queries = count_queries(&bytes_);
  const std::size_t most = service_.engine.options().max_queries;
  outcome_ = service_.engine.expect(std::min(queries, most), call_.deadline);
  // Too many are not parsed: empty ones take two bytes on the way here, and hundreds afterwards.
  if (outcome_.ok()) outcome_ = queries > most ? not_so_many(queries, most) : read();
  if (outcome_.ok()) {
    submit();
  } else {
    answer();
  }
}

Status RerankCall::read() {
  if (!request_) request_.emplace();
  const std::size_t size = bytes_.Length();
  const auto malformed = [size] {
    return Status::invalid("request", "'" + std::to_string(size) + " other bytes'",
                           "must be a gerank.v1.RerankRequest");
  };
  if (!parse(&bytes_, &*request_)) return malformed();
  if (request_->queries_size() == 0) return not_so_many(0, service_.engine.options().max_queries);
  call_.model = request_->model();
  call_.version = request_->version();
  BlockReader blocks(memo_, arena_, names_);
  Status status = read_queries(*request_, arena_, blocks, &call_.queries);
  return blocks.malformed() ? malformed() : status;
}

void RerankCall::submit() {
  submitted_ = true;
  service_.engine.submit(&call_, [this](Call*, const Status& outcome) {
    outcome_ = outcome;
    relay_.hand_over(*this);
  });
}

void RerankCall::answer() {
  if (!outcome_.ok()) {
    writer_->FinishWithError(to_grpc(outcome_), &finished_);
    return;
  }
  writer_->Finish(write_response(*request_, call_), grpc::Status::OK, &finished_);
}

void RerankCall::ended(bool) {
  // A deadline is the engine's business: it counts what expired apart from what was cancelled.
  const bool gone = context_->IsCancelled() && std::chrono::steady_clock::now() < call_.deadline;
  if (submitted_ && gone) service_.engine.cancel(&call_);
  end_one_of_two();
}

void RerankCall::finished(bool) {
  service_.open.fetch_sub(1, std::memory_order_relaxed);
  end_one_of_two();
}

void RerankCall::end_one_of_two() {
  if (--open_ends_ > 0) return;
  if (request_ && bytes_.Length() > kHugeMessage) request_.reset();
  bytes_.Clear();
  arena_.Reset();
  names_.clear();
  pool_.give_back(*this);
}

}  // namespace gerank::server
