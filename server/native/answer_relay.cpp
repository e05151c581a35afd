#include "answer_relay.h"

#include "rerank_call.h"

namespace gerank::server {

void AnswerRelay::hand_over(RerankCall& call) {
  {
    const std::lock_guard lock(mutex_);
    handed_over_.push_back(&call);
    if (awaited_) return;
    awaited_ = true;
  }
  // Without the lock, or the thread that this wakes would at once wait for it. Nobody else sets the
  // alarm before its event was delivered, and then it may be set again.
  alarm_.Set(&queue_, gpr_inf_past(GPR_CLOCK_MONOTONIC), &answer_all_);
}

void AnswerRelay::answer_all(bool) {
  {
    const std::lock_guard lock(mutex_);
    answering_.swap(handed_over_);
    awaited_ = false;
  }
  for (RerankCall* call : answering_) call->answer();
  answering_.clear();
}

}  // namespace gerank::server
