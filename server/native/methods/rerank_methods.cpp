// gerank.v1.RerankService, method by method.

#include <string>

#include "describe.h"
#include "instant.h"
#include "rerank.h"
#include "served.h"
#include "service_names.h"
#include "statistics.h"

namespace gerank::server {
namespace {

class RerankMethods final : public ServiceMethods {
 public:
  RerankMethods(Service& service, Loop& loop)
      : rerank_(service, loop),
        describe_([&service](auto message, auto request_id, auto* answer) {
          return describe(service, message, request_id, answer);
        }),
        statistics_([&service](auto, auto, auto* answer) {
          *answer = write_statistics(service);
          return CallStatus{};
        }) {}

  void add_to(MethodTable& table) override {
    table.add(path_of(kRerankService, "Rerank"), rerank_);
    table.add(path_of(kRerankService, "Describe"), describe_);
    table.add(path_of(kRerankService, "Statistics"), statistics_);
  }

 private:
  RerankMethod rerank_;
  InstantMethod describe_, statistics_;
};

}  // namespace

Served serve_rerank(Engine& engine, RouteTable& routes, exposures::ExposureLog* exposures) {
  return {
      engine,
      routes,
      exposures,
      {kRerankService},
      [](Service& service, Loop& loop) { return std::make_unique<RerankMethods>(service, loop); },
      [&engine](Microseconds grace) { engine.stop(grace); }};
}

}  // namespace gerank::server
