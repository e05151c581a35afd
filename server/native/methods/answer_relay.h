// Hands answers from the engine's workers back to the thread of a loop.
//
// A worker that wrote to the network itself would keep the next batch waiting.
#pragma once

#include <mutex>
#include <vector>

#include "../net/loop.h"

namespace gerank::server {

class RerankCall;

// hand_over() is thread-safe; all else happens on the loop's thread.
class AnswerRelay {
 public:
  explicit AnswerRelay(Loop& loop) : loop_(loop) {}

  // Lets the loop's thread tell the call's outcome. The calls of one batch cost it one wake-up.
  void hand_over(RerankCall& call);

 private:
  void answer_all();

  Loop& loop_;
  std::mutex mutex_;
  std::vector<RerankCall*> handed_over_, answering_;
};

}  // namespace gerank::server
