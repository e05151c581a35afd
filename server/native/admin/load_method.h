// gerank.v1.AdminService.Load.
#pragma once

#include "../methods/method.h"
#include "../models/load_thread.h"
#include "../net/loop.h"

namespace gerank::server {

// Hands loads to their thread, and answers when they have ended. Used by the thread of its loop.
class LoadMethod final : public Method {
 public:
  LoadMethod(LoadThread& loads, Loop& loop) : Method(Kind::kUnary), loads_(loads), loop_(loop) {}

  void take(Stream& stream, MessageBytes message) override;

  // The caller's wait ends; the load goes on.
  void closed(Stream& stream) override;

 private:
  struct Waiting;

  static void answer(Waiting& waiting);

  LoadThread& loads_;
  Loop& loop_;
};

}  // namespace gerank::server
