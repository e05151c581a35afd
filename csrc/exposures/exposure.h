// One answered call as a record of an exposure log: protos/gerank/v1/exposure.proto.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace gerank::exposures {

// The parts of a record that the front which answered the call knows. The log adds the time.
struct Exposure {
  std::string_view request_id;     // UTF-8; by it the feedback is joined
  std::string_view model;          // the name under which the artifact was published
  std::string_view model_version;  // the artifact that answered
  std::string_view arm;            // of an experiment; may be empty
  std::string_view request;        // the serialized RerankRequest, as it came
  std::string_view response;       // the serialized RerankResponse, as it went
};

// The serialized record, with its length in front as protobuf's delimited streams have it.
// `time_us` counts microseconds since 1970.
std::string delimited_record(const Exposure& exposure, std::int64_t time_us);

// How many bytes the first delimited record of `records` takes, its length included. `records` must
// begin with a whole one.
std::size_t first_record_size(std::string_view records);

// Whether a log that keeps `share` of all calls (0 to 1) keeps the one of this request id. Every
// server decides alike, whichever its process or its machine.
bool is_sampled(std::string_view request_id, double share);

}  // namespace gerank::exposures
