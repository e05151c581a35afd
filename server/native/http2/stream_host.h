// What the connections of one front thread share.
#pragma once

#include <atomic>
#include <cstdint>

#include "../credentials.h"
#include "../methods/method_table.h"
#include "../metrics/counts.h"
#include "../net/loop.h"
#include "byte_budget.h"
#include "deadlines.h"
#include "limits.h"
#include "waiting_line.h"

namespace gerank::server {

class StreamPool;

// All of it outlives the connections.
struct StreamHost {
  Loop& loop;
  const Limits& limits;
  const MethodTable& methods;
  const Credentials& credentials;
  ByteBudget& budget;
  Deadlines& deadlines;
  WaitingLine& line;
  StreamPool& pool;
  std::atomic<std::int64_t>& open_calls;  // that the end of the server waits for
  ThreadCounts& counts;
};

}  // namespace gerank::server
