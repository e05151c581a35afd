// inference.GRPCInferenceService, the Open Inference Protocol of KServe and Triton.
#pragma once

#include <deque>
#include <string_view>
#include <utility>

#include "../methods/instant.h"
#include "../methods/method_table.h"
#include "../methods/rerank.h"
#include "../methods/service.h"

namespace gerank::server::inference {

// The methods of one front thread.
class InferenceMethods {
 public:
  InferenceMethods(Service& service, Loop& loop);

  void add_to(MethodTable& table);

 private:
  struct Instant {
    Instant(std::string_view its_name, InstantMethod::Answer answer)
        : name(its_name), method(std::move(answer)) {}

    std::string_view name;
    InstantMethod method;
  };

  void add_instant(std::string_view name, InstantMethod::Answer answer);

  RerankMethod infer_;
  std::deque<Instant> instant_;  // whose methods stay where they are
};

}  // namespace gerank::server::inference
