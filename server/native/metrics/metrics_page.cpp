#include "metrics_page.h"

#include <array>
#include <bit>
#include <string_view>
#include <vector>

#include "../log/log.h"
#include "front_numbers.h"
#include "process_numbers.h"

namespace gerank::server {
namespace {

constexpr std::array<std::string_view, kStatusCodes> kCodes{
    "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
    "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
    "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
    "DATA_LOSS", "UNAUTHENTICATED"};

constexpr double kMicroseconds = 1e6;     // of a second
constexpr std::size_t kTimeBuckets = 26;  // up to 33.5 s

void write_one(Exposition& out, std::string_view name, std::string_view help, double value) {
  if (name.ends_with("_total")) {
    out.counter(name, help);
  } else {
    out.gauge(name, help);
  }
  out.sample(value);
}

void add_calls(const FrontNumbers& more, FrontNumbers* all) {
  for (const auto& [path, by_code] : more.calls) {
    auto& calls = all->calls[path];
    for (std::size_t code = 0; code < kStatusCodes; ++code) calls[code] += by_code[code];
  }
}

// A series is there from the start where it is expected, so that its first increase is seen.
void write_calls(Exposition& out, const FrontNumbers& front) {
  out.counter("gerank_calls_total", "Calls that have ended, by method and status.");
  for (const auto& [path, by_code] : front.calls) {
    const std::string_view method =
        path.empty() ? kNoMethodLabel : std::string_view(path).substr(1);
    for (std::size_t code = 0; code < kStatusCodes; ++code) {
      if (by_code[code] == 0 && (code != 0 || path.empty())) continue;
      out.sample(double(by_code[code]), {{"method", method}, {"code", kCodes[code]}});
    }
  }
  write_one(out, "gerank_not_grpc_requests_total",
            "Requests that are not of gRPC and got a status of HTTP.", double(front.not_grpc));
}

void write_queries(Exposition& out, const EngineStats& stats) {
  out.counter("gerank_queries_total", "Queries that have ended, by their outcome.");
  for (const auto& [outcome, count] :
       std::initializer_list<std::pair<const char*, std::uint64_t>>{{"answered", stats.answered},
                                                                    {"malformed", stats.malformed},
                                                                    {"refused", stats.refused},
                                                                    {"expired", stats.expired},
                                                                    {"cancelled", stats.cancelled},
                                                                    {"failed", stats.failed}}) {
    out.sample(double(count), {{"outcome", outcome}});
  }
  write_one(out, "gerank_accepted_queries_total", "Queries that were taken into the queue.",
            double(stats.accepted));
  write_one(out, "gerank_relaxed_slots_total", "Slots of slates at which a rule was relaxed.",
            double(stats.relaxed_slots));
  write_one(out, "gerank_unmet_rules_total", "Rules that slates do not satisfy.",
            double(stats.unmet_rules));
  write_one(out, "gerank_ignored_features_total",
            "Features of accepted queries that their model does not know.",
            double(stats.ignored_features));
}

void write_batches(Exposition& out, const Engine& engine, const EngineStats& stats) {
  const EngineOptions& options = engine.options();
  write_one(out, "gerank_queued_queries", "Queries that wait now.", double(stats.queued));
  write_one(out, "gerank_queue_limit_queries", "Queries that may wait before calls are refused.",
            double(options.max_queue));
  write_one(out, "gerank_running_batches", "Forward passes that run now.", double(stats.running));
  write_one(out, "gerank_workers", "Forward passes that may run at once.", options.workers);
  const auto up_to_a_full_batch = std::size_t(std::bit_width(options.max_batch - 1)) + 1;
  out.histogram("gerank_batch_queries", "Queries per forward pass.", stats.batch_queries, 1,
                up_to_a_full_batch);
  out.histogram("gerank_queue_seconds", "Time of a query in the queue.", stats.queue_us,
                kMicroseconds, kTimeBuckets);
  out.histogram("gerank_batch_seconds",
                "Time of a forward pass that goes into padding it and splitting its answer.",
                stats.batch_us, kMicroseconds, kTimeBuckets);
  out.histogram("gerank_model_seconds", "Time of a forward pass in the model.", stats.model_us,
                kMicroseconds, kTimeBuckets);
  write_one(out, "gerank_batch_candidates_total", "Candidates in forward passes.",
            double(stats.batch_candidates));
  write_one(out, "gerank_batch_rows_total", "Rows of forward passes: candidates and padding.",
            double(stats.batch_rows));
}

void write_models(Exposition& out, const Engine& engine, const LoadNumbers& loads) {
  const std::vector<PublishedModel> models = engine.models();
  out.gauge("gerank_model_info", "A published model; 1 for each.");
  for (const PublishedModel& model : models) {
    out.sample(1, {{"model", model.name},
                   {"version", model.version},
                   {"implementation", std::string(model.implementation)},
                   {"precision", std::string(model.precision)},
                   {"device", std::string(model.device)},
                   {"current", model.current ? "true" : "false"},
                   {"default", model.is_default ? "true" : "false"}});
  }
  out.counter("gerank_model_queries_total",
              "Queries that a published model answered or failed, since it was published.");
  for (const PublishedModel& model : models) {
    for (const auto& [outcome, count] :
         {std::pair<const char*, std::uint64_t>{"answered", model.answered},
          {"failed", model.failed}}) {
      out.sample(double(count),
                 {{"model", model.name}, {"version", model.version}, {"outcome", outcome}});
    }
  }
  out.counter("gerank_model_loads_total", "Models that were loaded, or refused by their checks.");
  for (const auto& [model, results] : loads.of_model) {
    out.sample(double(results.loaded), {{"model", model}, {"result", "loaded"}});
    out.sample(double(results.refused), {{"model", model}, {"result", "refused"}});
  }
  write_one(out, "gerank_last_load_success", "Whether the last model to be loaded was: 1 or 0.",
            loads.last_was_loaded);
  write_one(out, "gerank_last_load_timestamp_seconds", "When the last model was loaded or refused.",
            loads.last_time_s);
  write_one(out, "gerank_last_load_duration_seconds",
            "How long its loading, checks and warm-up took.", loads.last_duration_s);
}

void write_arms(Exposition& out, const RouteTable& routes) {
  out.counter("gerank_arm_queries_total",
              "Queries of calls that a split sent to an arm, by their outcome.");
  for (const RouteTable::ArmNumbers& arm : routes.numbers()) {
    for (std::size_t i = 0; i < ArmCounts::kOutcomes.size(); ++i) {
      out.sample(double(arm.counts->get(i)), {{"model", arm.model},
                                              {"arm", arm.arm},
                                              {"version", arm.version},
                                              {"outcome", ArmCounts::kOutcomes[i]}});
    }
  }
}

void write_connections(Exposition& out, const FrontNumbers& front) {
  write_one(out, "gerank_connections", "Connections that are open.", double(front.connections));
  write_one(out, "gerank_connections_opened_total", "Connections that were ever opened.",
            double(front.connections_opened));
  write_one(out, "gerank_streams", "Calls that are open, health watches and reflection included.",
            double(front.streams));
  write_one(out, "gerank_streams_opened_total", "Calls that were ever opened.",
            double(front.streams_opened));
  write_one(out, "gerank_streams_refused_total",
            "Calls beyond what one connection may have open, which were not looked at.",
            double(front.streams_refused));
  write_one(out, "gerank_buffer_bytes", "Messages and answers that are held.",
            double(front.held_bytes));
  write_one(out, "gerank_buffer_limit_bytes", "Messages and answers that may be held.",
            double(front.held_bytes_limit));
}

// A server that keeps no log has the series, too: all of them are 0.
void write_exposures(Exposition& out, const exposures::ExposureLog* log) {
  const exposures::ExposureStatistics counts =
      log == nullptr ? exposures::ExposureStatistics() : log->statistics();
  out.counter("gerank_exposures_total",
              "Records of answered calls: written, or lost since no disk took them in time.");
  out.sample(double(counts.written), {{"outcome", "written"}});
  out.sample(double(counts.lost), {{"outcome", "lost"}});
  write_one(out, "gerank_exposures_refused",
            "Whether the disk refuses the records of answered calls: 1 or 0.", counts.refused);
}

void write_process(Exposition& out, const LogCounts& log) {
  out.counter("gerank_log_lines_total",
              "Lines of the log: written, dropped since nobody took them, or suppressed since too "
              "many of one event came.");
  out.sample(double(log.written), {{"outcome", "written"}});
  out.sample(double(log.dropped), {{"outcome", "dropped"}});
  out.sample(double(log.suppressed), {{"outcome", "suppressed"}});
  const ProcessNumbers process = process_numbers();
  write_one(out, "process_cpu_seconds_total", "Processor time of all threads.", process.cpu_s);
  write_one(out, "process_open_fds", "Open descriptors.", double(process.open_descriptors));
  write_one(out, "process_max_fds", "Descriptors that may be open.",
            double(process.descriptor_limit));
  write_one(out, "process_resident_memory_bytes", "Memory that is in RAM.",
            double(process.resident_bytes));
  write_one(out, "process_virtual_memory_bytes", "Memory that is mapped.",
            double(process.virtual_bytes));
  write_one(out, "process_start_time_seconds", "When the process started, since 1970.",
            process.start_time_s);
}

}  // namespace

std::string metrics_page(MetricsFormat format, const MetricsSources& sources) {
  Exposition out(format);
  const Engine& engine = sources.engine;
  const EngineStats stats = engine.stats();
  FrontNumbers numbers = sources.front.numbers();
  if (sources.admin != nullptr) add_calls(sources.admin->numbers(), &numbers);
  out.gauge("gerank_build_info", "The version of this server; 1.");
  out.sample(1, {{"version", GERANK_VERSION}});
  write_one(out, "gerank_serving", "Whether health says SERVING: 1 or 0.",
            sources.front.is_serving());
  write_models(out, engine, sources.loads.numbers());
  write_arms(out, sources.routes);
  write_calls(out, numbers);
  write_queries(out, stats);
  write_batches(out, engine, stats);
  write_connections(out, numbers);
  write_exposures(out, sources.exposures);
  write_process(out, Log::of_process().counts());
  return out.take();
}

}  // namespace gerank::server
