// The options that are numbers: what each is for, and what it may be.
#pragma once

#include <gerank/option_ranges.h>

#include <array>
#include <cstdint>

#include "server.h"

namespace gerank::server {

template <typename Options>
struct NumberOption {
  const char* name;  // --max-batch on a command line is max_batch here
  std::int64_t Options::* field;
  OptionRange range;
  const char* description;
};

using ServerNumber = NumberOption<GerankServerOptions>;

inline constexpr std::array kNumberOptions{
    ServerNumber{"threads",
                 &GerankServerOptions::threads,
                 {1, 256},
                 "threads that read, check and write calls"},
    ServerNumber{"workers", &GerankServerOptions::workers, option_ranges::kWorkers,
                 "forward passes at once"},
    ServerNumber{"intra_op_threads", &GerankServerOptions::intra_op_threads,
                 option_ranges::kIntraOpThreads, "threads of torch within one forward pass"},
    ServerNumber{"max_batch", &GerankServerOptions::max_batch, option_ranges::kMaxBatch,
                 "most pages in one forward pass"},
    ServerNumber{"max_batch_candidates", &GerankServerOptions::max_batch_candidates,
                 option_ranges::kMaxBatchCandidates,
                 "most candidates in one forward pass, padding included"},
    ServerNumber{"max_delay_us", &GerankServerOptions::max_delay_us, option_ranges::kMaxDelayUs,
                 "microseconds that a page waits for others when a worker is free"},
    ServerNumber{"max_queue", &GerankServerOptions::max_queue, option_ranges::kMaxQueue,
                 "pages waiting, before calls are refused"},
    ServerNumber{"max_queries", &GerankServerOptions::max_queries, option_ranges::kMaxQueries,
                 "most pages of one call"},
    ServerNumber{"max_message_bytes",
                 &GerankServerOptions::max_message_bytes,
                 {1, 2'147'483'647},
                 "of one call; a larger one is refused"},
    ServerNumber{"max_calls_per_connection",
                 &GerankServerOptions::max_calls_per_connection,
                 {1, 1'000'000},
                 "calls of one connection at once"},
    ServerNumber{"max_header_bytes",
                 &GerankServerOptions::max_header_bytes,
                 {1024, 1 << 20},
                 "headers of one call; with larger ones it is refused"},
    ServerNumber{"buffer_bytes",
                 &GerankServerOptions::buffer_bytes,
                 {1, std::int64_t{1} << 50},
                 "messages and answers held at once"},
    ServerNumber{"connection_buffer_bytes",
                 &GerankServerOptions::connection_buffer_bytes,
                 {1, std::int64_t{1} << 50},
                 "messages and answers of one connection held at once"},
    ServerNumber{"keepalive_s",
                 &GerankServerOptions::keepalive_s,
                 {1, 86'400},
                 "seconds of silence after which a caller is asked whether it is there"},
    ServerNumber{"keepalive_timeout_s",
                 &GerankServerOptions::keepalive_timeout_s,
                 {1, 86'400},
                 "seconds in which it must answer"},
    ServerNumber{"max_connection_age_s",
                 &GerankServerOptions::max_connection_age_s,
                 {0, 31'536'000},
                 "seconds after which a connection takes no new calls; 0: never"},
};

// How gerank-server ends.
struct StopOptions {
  std::int64_t grace_s = 10;
  std::int64_t pre_stop_delay_s = 0;
};

inline constexpr std::array kStopOptions{
    NumberOption<StopOptions>{"grace_s",
                              &StopOptions::grace_s,
                              {0, 86'400},
                              "seconds that calls have to end when the server does"},
    NumberOption<StopOptions>{"pre_stop_delay_s",
                              &StopOptions::pre_stop_delay_s,
                              {0, 86'400},
                              "seconds that it serves on before, with NOT_SERVING as its health"},
};

}  // namespace gerank::server
