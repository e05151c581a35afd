#include "answer_relay.h"

#include "rerank.h"

namespace gerank::server {

void AnswerRelay::hand_over(RerankCall& call) {
  {
    const std::lock_guard lock(mutex_);
    handed_over_.push_back(&call);
    if (handed_over_.size() > 1) return;  // the loop has been told
  }
  loop_.post([this] { answer_all(); });
}

void AnswerRelay::answer_all() {
  {
    const std::lock_guard lock(mutex_);
    answering_.swap(handed_over_);
  }
  for (RerankCall* call : answering_) call->answer();
  answering_.clear();
}

}  // namespace gerank::server
