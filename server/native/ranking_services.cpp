#include "ranking_services.h"

#include <memory>
#include <string>

#include "inference/inference_methods.h"
#include "methods/describe.h"
#include "methods/instant.h"
#include "methods/rerank.h"
#include "methods/rerank_request.h"
#include "methods/service_names.h"
#include "methods/statistics.h"

namespace gerank::server {
namespace {

class RankingMethods final : public ServiceMethods {
 public:
  RankingMethods(Service& service, Loop& loop)
      : routes_(service.routes, loop),
        rerank_(service, loop, rerank_requests()),
        describe_([this, &service](auto message, auto request_id, auto* answer) {
          return describe(service, routes_, message, request_id, answer);
        }),
        statistics_([&service](auto, auto, auto* answer) {
          *answer = write_statistics(service);
          return CallStatus{};
        }),
        inference_(service, loop) {}

  void add_to(MethodTable& table) override {
    table.add(path_of(kRerankService, "Rerank"), rerank_);
    table.add(path_of(kRerankService, "Describe"), describe_);
    table.add(path_of(kRerankService, "Statistics"), statistics_);
    inference_.add_to(table);
  }

 private:
  RouteReader routes_;
  RerankMethod rerank_;
  InstantMethod describe_, statistics_;
  inference::InferenceMethods inference_;
};

}  // namespace

Served serve_ranking(Engine& engine, RouteTable& routes, exposures::ExposureLog* exposures) {
  return {
      engine,
      routes,
      exposures,
      {kRerankService, kInferenceService},
      [](Service& service, Loop& loop) { return std::make_unique<RankingMethods>(service, loop); },
      [&engine](Microseconds grace) { engine.stop(grace); }};
}

}  // namespace gerank::server
