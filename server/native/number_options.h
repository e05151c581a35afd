// The options that are numbers: what each is for, and what it may be.
#pragma once

#include <gerank/option_ranges.h>

#include <array>
#include <cstdint>

#include "server.h"

namespace gerank::server {

struct NumberOption {
  const char* name;  // --max-batch on a command line is max_batch here
  std::int64_t GerankServerOptions::* field;
  OptionRange range;
  const char* description;
};

inline constexpr std::array kNumberOptions{
    NumberOption{"threads",
                 &GerankServerOptions::threads,
                 {1, 256},
                 "threads that read, check and write calls"},
    NumberOption{"workers", &GerankServerOptions::workers, option_ranges::kWorkers,
                 "forward passes at once"},
    NumberOption{"intra_op_threads", &GerankServerOptions::intra_op_threads,
                 option_ranges::kIntraOpThreads, "threads of torch within one forward pass"},
    NumberOption{"max_batch", &GerankServerOptions::max_batch, option_ranges::kMaxBatch,
                 "most pages in one forward pass"},
    NumberOption{"max_batch_candidates", &GerankServerOptions::max_batch_candidates,
                 option_ranges::kMaxBatchCandidates,
                 "most candidates in one forward pass, padding included"},
    NumberOption{"max_delay_us", &GerankServerOptions::max_delay_us, option_ranges::kMaxDelayUs,
                 "microseconds that a page waits for others when a worker is free"},
    NumberOption{"max_queue", &GerankServerOptions::max_queue, option_ranges::kMaxQueue,
                 "pages waiting, before calls are refused"},
    NumberOption{"max_queries", &GerankServerOptions::max_queries, option_ranges::kMaxQueries,
                 "most pages of one call"},
    NumberOption{"max_message_bytes",
                 &GerankServerOptions::max_message_bytes,
                 {1, 2'147'483'647},
                 "of one call; a larger one is refused"},
    NumberOption{"max_calls_per_connection",
                 &GerankServerOptions::max_calls_per_connection,
                 {1, 1'000'000},
                 "calls of one connection at once"},
};

}  // namespace gerank::server
