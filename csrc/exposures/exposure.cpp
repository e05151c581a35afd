#include "exposure.h"

#include "stable_hash.h"
#include "wire/protobuf_reader.h"
#include "wire/protobuf_writer.h"

// The numbers of fields are those of protos/gerank/v1/exposure.proto.

namespace gerank::exposures {

std::string delimited_record(const Exposure& exposure, std::int64_t time_us) {
  wire::FieldWriter fields;
  fields.number(1, std::uint64_t(time_us));
  fields.text(2, exposure.request_id);
  fields.text(3, exposure.model);
  fields.text(4, exposure.model_version);
  fields.text(5, exposure.arm);
  // The two messages are not copied into the fields first, as they are most of the record.
  const std::string small = fields.take();
  wire::FieldWriter request_head, response_head, length;
  request_head.varint(6 << 3 | 2);
  request_head.varint(exposure.request.size());
  response_head.varint(7 << 3 | 2);
  response_head.varint(exposure.response.size());
  const std::string before_request = request_head.take(), before_response = response_head.take();
  length.varint(small.size() + before_request.size() + exposure.request.size() +
                before_response.size() + exposure.response.size());
  std::string record = length.take();
  record.reserve(record.size() + small.size() + before_request.size() + exposure.request.size() +
                 before_response.size() + exposure.response.size());
  record += small;
  record += before_request;
  record += exposure.request;
  record += before_response;
  return record += exposure.response;
}

std::size_t first_record_size(std::string_view records) {
  wire::FieldReader in(records);
  const std::uint64_t size = in.varint();
  return records.size() - in.rest().size() + size;
}

bool is_sampled(std::string_view request_id, double share) {
  return double(mixed(fnv1a(request_id)) >> 11) * 0x1p-53 < share;
}

}  // namespace gerank::exposures
