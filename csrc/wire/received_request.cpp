#include "received_request.h"

#include <algorithm>
#include <string>

#include "protobuf_reader.h"
#include "request_fields.h"
#include "response_writer.h"

namespace gerank::wire {
namespace {

// Holds the views of 200 candidates with ids.
constexpr std::size_t kFirstBlock = 8 << 10;

// Counts the queries of a message without reading them: a full queue refuses thousands of calls a
// second, and must not spend the workers' time on what they say. False where it is no message.
bool count_queries(std::string_view bytes, std::size_t* count) {
  FieldReader in(bytes);
  for (; in.next(); in.skip()) *count += in.tag() == bytes_tag(1);
  if (!in.ok()) *count = 0;
  return in.ok();
}

Status wrong_count(std::size_t queries, std::size_t most) {
  return Status::invalid("queries", std::to_string(queries),
                         "must be 1 to " + std::to_string(most));
}

Status no_message(std::string_view bytes) {
  return Status::invalid("request", "'" + std::to_string(bytes.size()) + " other bytes'",
                         "must be a gerank.v1.RerankRequest");
}

}  // namespace

ReceivedRequest::ReceivedRequest()
    : memory_(new std::byte[kFirstBlock]), arena_(memory_.get(), kFirstBlock) {}

Status ReceivedRequest::read(Engine& engine, std::string_view bytes, TimePoint deadline,
                             NameMemo& memo) {
  std::size_t count = 0;
  const bool is_message = count_queries(bytes, &count);
  const std::size_t most = engine.options().max_queries;
  if (Status status = engine.expect(std::min(count, most), deadline); !status) return status;
  call_.deadline = deadline;
  // Where they are too many, none is read: two bytes of a message can be one.
  Status status = !is_message    ? no_message(bytes)
                  : count > most ? wrong_count(count, most)
                                 : read_queries(bytes, memo);
  if (status && count == 0) status = wrong_count(count, most);
  if (!status) engine.count_refusal(status.code(), count);
  return status;
}

Status ReceivedRequest::read_queries(std::string_view bytes, NameMemo& memo) {
  RequestFields request;
  if (!read_fields(bytes, arena_, memo, &request)) return no_message(bytes);
  List<Query> queries;
  List<std::string_view> ids;
  for (QueryFields& fields : request.queries) {
    Query query;
    if (Status status = fields.read(&query); !status) {
      return status.within("queries[" + std::to_string(queries.size()) + "]");
    }
    queries.push(arena_, query);
    ids.push(arena_, fields.id);
  }
  call_.queries = queries.view();
  call_.model = request.model;
  call_.version = request.version;
  ids_ = ids.view();
  return {};
}

std::string ReceivedRequest::response() const { return write_response(ids_, call_); }

void ReceivedRequest::clear() { arena_.release(); }

}  // namespace gerank::wire
