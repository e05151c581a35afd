#include "statistics.h"

#include "wire/protobuf_writer.h"

// The numbers of fields are those of protos/gerank/v1/rerank.proto.

namespace gerank::server {
namespace {

void write_histogram(wire::FieldWriter& out, std::uint32_t field,
                     const EngineStats::Histogram& histogram) {
  out.message(field, [&] {
    out.message(1, [&] {  // packed
      for (const std::uint64_t bucket : histogram.buckets) out.varint(bucket);
    });
    out.number(2, histogram.count);
    out.number(3, histogram.sum);
  });
}

}  // namespace

std::string write_statistics(const Service& service) {
  const EngineStats stats = service.engine.stats();
  wire::FieldWriter out;
  out.number(1, stats.accepted);
  out.number(2, stats.answered);
  out.number(3, stats.malformed);
  out.number(4, stats.refused);
  out.number(5, stats.expired);
  out.number(6, stats.cancelled);
  out.number(7, stats.failed);
  out.number(8, stats.batches);
  out.number(9, stats.swaps);
  write_histogram(out, 10, stats.batch_queries);
  write_histogram(out, 11, stats.queue_us);
  write_histogram(out, 12, stats.batch_us);
  write_histogram(out, 13, stats.model_us);
  out.number(14, stats.queued);
  out.number(15, stats.running);
  out.number(16, stats.ignored_features);
  if (service.exposures != nullptr) {
    const exposures::ExposureStatistics counts = service.exposures->statistics();
    out.number(17, counts.written);
    out.number(18, counts.lost);
  }
  return out.take();
}

}  // namespace gerank::server
