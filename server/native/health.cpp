#include "health.h"

#include <grpcpp/impl/codegen/proto_buffer_reader.h>

#include "gerank/v1/rerank.grpc.pb.h"
#include "service.h"

namespace gerank::server {

Health::Serving::ServingStatus Health::of(const std::string& service) const {
  const bool known = service.empty() || service == v1::RerankService::service_full_name() ||
                     service == grpc::health::v1::Health::service_full_name();
  if (!known) return Serving::SERVICE_UNKNOWN;
  return serving_ ? Serving::SERVING : Serving::NOT_SERVING;
}

grpc::Status Health::check(grpc::ByteBuffer* bytes, grpc::ByteBuffer* answer) const {
  grpc::health::v1::HealthCheckRequest request;
  grpc::ProtoBufferReader reader(bytes);
  if (!reader.status().ok() || !request.ParseFromZeroCopyStream(&reader)) {
    return {grpc::StatusCode::INVALID_ARGUMENT, "must be a grpc.health.v1.HealthCheckRequest"};
  }
  Serving response;
  response.set_status(of(request.service()));
  if (response.status() == Serving::SERVICE_UNKNOWN) {
    return {grpc::StatusCode::NOT_FOUND, "unknown service '" + request.service() + "'"};
  }
  *answer = to_bytes(response);
  return grpc::Status::OK;
}

HealthWatch::HealthWatch(Health& health, grpc::ServerCompletionQueue& queue, HealthWatches& all)
    : health_(health), queue_(queue), all_(all) {
  context_.AsyncNotifyWhenDone(&ended_);
  health_.methods.RequestWatch(&context_, &request_, &writer_, &queue_, &queue_, &arrived_);
}

void HealthWatch::arrived(bool ok) {
  if (!ok) return;  // the server is shutting down
  open_ = true;
  all_.await_another();
  tell();
}

void HealthWatch::tell() {
  if (!open_ || writing_ || gone_) return;
  const auto status = health_.of(request_.service());
  if (told_ == status) return;
  told_ = status;
  writing_ = true;
  Health::Serving response;
  response.set_status(status);
  writer_.Write(response, &written_);
}

void HealthWatch::written(bool) {
  writing_ = false;
  tell();
  end_if_idle();
}

void HealthWatch::ended(bool) {
  gone_ = true;
  end_if_idle();
}

void HealthWatch::end_if_idle() {
  if (gone_ && !writing_) all_.remove(*this);
}

void HealthWatches::await_another() {
  watches_.push_back(std::make_unique<HealthWatch>(health_, queue_, *this));
}

void HealthWatches::refresh() {
  const std::lock_guard lock(mutex_);
  if (awaited_) return;
  awaited_ = true;
  alarm_.Set(&queue_, gpr_inf_past(GPR_CLOCK_MONOTONIC), &tell_all_);
}

void HealthWatches::remove(HealthWatch& watch) {
  std::erase_if(watches_, [&watch](const auto& other) { return other.get() == &watch; });
}

void HealthWatches::tell_all(bool) {
  {
    const std::lock_guard lock(mutex_);
    awaited_ = false;
  }
  for (const auto& watch : watches_) watch->tell();
}

}  // namespace gerank::server
