// The messages of inference.GRPCInferenceService.ModelInfer.
#pragma once

#include "../methods/rank_request.h"

namespace gerank::server::inference {

// Makes readers of ModelInferRequest messages. For one thread.
RankRequest::Maker infer_requests();

}  // namespace gerank::server::inference
