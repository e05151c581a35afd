#include "instant_call.h"

#include <grpcpp/impl/codegen/proto_buffer_reader.h>

#include <memory>
#include <string>
#include <utility>

#include "status_table.h"

namespace gerank::server {
namespace {

void write_histogram(const EngineStats::Histogram& histogram, v1::Histogram* message) {
  message->mutable_buckets()->Add(histogram.buckets.begin(), histogram.buckets.end());
  message->set_count(histogram.count);
  message->set_sum(histogram.sum);
}

Status find(const Service& service, const v1::DescribeRequest& request,
            std::shared_ptr<const Ranker>* ranker) {
  if (service.draining) return {Code::kUnavailable, "the server is draining"};
  *ranker = service.engine.find(request.model(), request.version());
  if (*ranker) return {};
  if (service.engine.models().empty()) {
    return {Code::kUnavailable, "the model is still being loaded"};
  }
  return {Code::kNotFound, "no model '" + request.model() + "' of version '" + request.version() +
                               "' is served here"};
}

}  // namespace

InstantCall::InstantCall(Await await, Answer answer)
    : await_(std::move(await)), answer_(std::move(answer)) {}

void InstantCall::await() {
  request_.Clear();
  writer_.reset();
  context_.emplace();
  writer_.emplace(&*context_);
  await_(&*context_, &request_, &*writer_, &arrived_);
}

void InstantCall::arrived(bool ok) {
  if (!ok) return;  // the server is shutting down
  grpc::ByteBuffer answer;
  const grpc::Status status = answer_(&request_, &answer);
  if (status.ok()) {
    writer_->Finish(answer, status, &finished_);
  } else {
    writer_->FinishWithError(status, &finished_);
  }
}

void InstantCall::finished(bool) { await(); }

grpc::Status describe(Service& service, grpc::ByteBuffer* bytes, grpc::ByteBuffer* answer) {
  v1::DescribeRequest request;
  grpc::ProtoBufferReader reader(bytes);
  if (!reader.status().ok() || !request.ParseFromZeroCopyStream(&reader)) {
    return to_grpc(Status::invalid("request",
                                   "'" + std::to_string(bytes->Length()) + " other bytes'",
                                   "must be a gerank.v1.DescribeRequest"));
  }
  std::shared_ptr<const Ranker> ranker;
  const Status status = find(service, request, &ranker);
  if (!status.ok()) return to_grpc(status);
  v1::DescribeResponse response;
  response.set_model_version(ranker->model_version());
  response.set_contract_json(ranker->contract_json());
  *answer = to_bytes(response);
  return grpc::Status::OK;
}

grpc::Status tell_statistics(Service& service, grpc::ByteBuffer* answer) {
  const EngineStats stats = service.engine.stats();
  v1::StatisticsResponse response;
  response.set_accepted(stats.accepted);
  response.set_answered(stats.answered);
  response.set_malformed(stats.malformed);
  response.set_refused(stats.refused);
  response.set_expired(stats.expired);
  response.set_cancelled(stats.cancelled);
  response.set_failed(stats.failed);
  response.set_batches(stats.batches);
  response.set_swaps(stats.swaps);
  write_histogram(stats.batch_queries, response.mutable_batch_queries());
  write_histogram(stats.queue_us, response.mutable_queue_us());
  write_histogram(stats.batch_us, response.mutable_batch_us());
  write_histogram(stats.model_us, response.mutable_model_us());
  response.set_queued(stats.queued);
  response.set_running(stats.running);
  response.set_ignored_features(stats.ignored_features);
  *answer = to_bytes(response);
  return grpc::Status::OK;
}

}  // namespace gerank::server
