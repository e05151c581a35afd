#include "option_table.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <type_traits>
#include <utility>

namespace gerank::server {
namespace {

// A number of any type: a duration counts its own units.
template <typename Field>
std::int64_t as_number(const Field& field) {
  if constexpr (std::is_arithmetic_v<Field>) {
    return std::int64_t(field);
  } else {
    return std::int64_t(field.count());
  }
}

// `field` returns a reference to a number in the options that it gets.
template <typename Access>
Option number(std::string name, const OptionRange& range, std::string description, Access field) {
  Option option{std::move(name), std::move(description), range, {}, {}, {}};
  option.get = [field](const ServerOptions& options) {
    return OptionValue(as_number(field(options)));
  };
  option.set = [field](ServerOptions& options, const OptionValue& value) {
    using Field = std::remove_reference_t<decltype(field(options))>;
    field(options) = static_cast<Field>(std::get<std::int64_t>(value));
  };
  return option;
}

// A real number from 0 to 1; `field` returns a reference to it in the options that it gets.
template <typename Access>
Option share(std::string name, std::string description, Access field) {
  Option option{std::move(name), std::move(description), {0, 1}, {}, {}, {}};
  option.get = [field](const ServerOptions& options) { return OptionValue(field(options)); };
  option.set = [field](ServerOptions& options, const OptionValue& value) {
    field(options) = std::get<double>(value);
  };
  return option;
}

// `field` returns a reference to a std::string in the options that it gets.
template <typename Access>
Option text(std::string name, std::string description, Access field) {
  Option option{std::move(name), std::move(description), {}, {}, {}, {}};
  option.get = [field](const ServerOptions& options) { return OptionValue(field(options)); };
  option.set = [field](ServerOptions& options, const OptionValue& value) {
    field(options) = std::get<std::string>(value);
  };
  return option;
}

// `field` returns a reference to a bool in the options that it gets.
template <typename Access>
Option toggle(std::string name, std::string description, Access field) {
  Option option{std::move(name), std::move(description), {}, {}, {}, {}};
  option.get = [field](const ServerOptions& options) { return OptionValue(field(options)); };
  option.set = [field](ServerOptions& options, const OptionValue& value) {
    field(options) = std::get<bool>(value);
  };
  return option;
}

// One of some words; `field` returns a reference to an enumeration, whose value is the word's place
// among them.
template <typename Access>
Option choice(std::string name, std::vector<std::string> words, std::string description,
              Access field) {
  Option option{std::move(name), std::move(description), {}, std::move(words), {}, {}};
  option.get = [field, words = option.words](const ServerOptions& options) {
    return OptionValue(words[std::size_t(field(options))]);
  };
  option.set = [field, words = option.words](ServerOptions& options, const OptionValue& value) {
    using Field = std::remove_reference_t<decltype(field(options))>;
    const auto found = std::find(words.begin(), words.end(), std::get<std::string>(value));
    field(options) = static_cast<Field>(found - words.begin());
  };
  return option;
}

// The model without a name; an artifact that is given again takes its place.
Option default_model() {
  Option option{"model", "the artifact", {}, {}, {}, {}};
  const auto is_it = [](const ModelFile& model) { return model.name == kDefaultModel; };
  option.get = [is_it](const ServerOptions& options) {
    const auto found = std::find_if(options.models.begin(), options.models.end(), is_it);
    return OptionValue(found == options.models.end() ? std::string() : found->path);
  };
  option.set = [is_it](ServerOptions& options, const OptionValue& value) {
    auto& all = options.models;
    const auto found = std::find_if(all.begin(), all.end(), is_it);
    const std::string& path = std::get<std::string>(value);
    if (found == all.end()) {
      all.push_back({kDefaultModel, path});
    } else {
      found->path = path;
    }
  };
  return option;
}

// The models with names.
Option models() {
  Option option{"models", "artifacts by the name under which each answers", {}, {}, {}, {}};
  option.get = [](const ServerOptions& options) {
    std::vector<ModelFile> named;
    std::copy_if(options.models.begin(), options.models.end(), std::back_inserter(named),
                 [](const ModelFile& model) { return model.name != kDefaultModel; });
    return OptionValue(named);
  };
  option.set = [](ServerOptions& options, const OptionValue& value) {
    for (const ModelFile& model : std::get<std::vector<ModelFile>>(value)) {
      options.models.push_back(model);
    }
  };
  return option;
}

std::vector<Option> make_table() {
  namespace ranges = option_ranges;
  constexpr OptionRange kBytes{1, std::int64_t{1} << 50}, kSeconds{1, 86'400};
  return {
      default_model(),
      models(),
      text("address", "host:port, [IPv6]:port or unix:path; port 0: any",
           [](auto& o) -> auto& { return o.front.address; }),
      number("threads", {1, 256}, "threads that read, check and write calls",
             [](auto& o) -> auto& { return o.front.threads; }),
      number("workers", ranges::kWorkers, "forward passes at once",
             [](auto& o) -> auto& { return o.engine.workers; }),
      number("intra_op_threads", ranges::kIntraOpThreads, "threads within one forward pass",
             [](auto& o) -> auto& { return o.engine.intra_op_threads; }),
      number("max_batch", ranges::kMaxBatch, "most pages in one forward pass",
             [](auto& o) -> auto& { return o.engine.max_batch; }),
      number("max_batch_candidates", ranges::kMaxBatchCandidates,
             "most candidates in one forward pass, padding included",
             [](auto& o) -> auto& { return o.engine.max_batch_candidates; }),
      number("max_delay_us", ranges::kMaxDelayUs,
             "microseconds that a page waits for others when a worker is free",
             [](auto& o) -> auto& { return o.engine.max_delay; }),
      number("spin_us", ranges::kSpinUs,
             "microseconds that a worker looks for pages before it sleeps, while its core is free",
             [](auto& o) -> auto& { return o.engine.spin; }),
      number("max_queue", ranges::kMaxQueue, "pages waiting, before calls are refused",
             [](auto& o) -> auto& { return o.engine.max_queue; }),
      number("max_queries", ranges::kMaxQueries, "most pages of one call",
             [](auto& o) -> auto& { return o.engine.max_queries; }),
      choice("unknown_features", {"refuse", "ignore"}, "what becomes of those that the model lacks",
             [](auto& o) -> auto& { return o.engine.unknown_features; }),
      choice("implementation", {"auto", "native", "torchscript"},
             "what computes slates; auto: natively where the artifact is a stock generator",
             [](auto& o) -> auto& { return o.engine.model.implementation; }),
      choice("device", {"cpu", "cuda"},
             "where it does; cuda: on the first GPU that the process sees, by torchscript alone",
             [](auto& o) -> auto& { return o.engine.model.device; }),
      choice("precision", {"auto", "float32", "bfloat16"},
             "in which it multiplies; auto: as the artifact says; bfloat16 is float32 where the "
             "processor lacks AVX512_BF16",
             [](auto& o) -> auto& { return o.engine.model.precision; }),
      number("max_message_bytes", {1, 2'147'483'647}, "of one call; a larger one is refused",
             [](auto& o) -> auto& { return o.front.max_message_bytes; }),
      number("max_calls_per_connection", {1, 1'000'000}, "calls of one connection at once",
             [](auto& o) -> auto& { return o.front.max_calls_per_connection; }),
      number("max_header_bytes", {1024, 1 << 20},
             "headers of one call; with larger ones it is refused",
             [](auto& o) -> auto& { return o.front.max_header_bytes; }),
      number("buffer_bytes", kBytes, "messages and answers held at once",
             [](auto& o) -> auto& { return o.front.buffer_bytes; }),
      number("connection_buffer_bytes", kBytes,
             "messages and answers of one connection held at once",
             [](auto& o) -> auto& { return o.front.connection_buffer_bytes; }),
      number("keepalive_s", kSeconds,
             "seconds of silence after which a caller is asked whether it is there",
             [](auto& o) -> auto& { return o.front.keepalive; }),
      number("keepalive_timeout_s", kSeconds, "seconds in which it must answer",
             [](auto& o) -> auto& { return o.front.keepalive_timeout; }),
      number("max_connection_age_s", {0, 31'536'000},
             "seconds after which a connection takes no new calls; 0: never",
             [](auto& o) -> auto& { return o.front.max_connection_age; }),
      toggle("reflection", "serves grpc.reflection",
             [](auto& o) -> auto& { return o.front.reflection; }),
      text("tls_certificate", "the server's certificate chain, PEM: serves TLS alone",
           [](auto& o) -> auto& { return o.front.tls_certificate; }),
      text("tls_key", "its private key, PEM", [](auto& o) -> auto& { return o.front.tls_key; }),
      text("tls_client_ca", "whose certificates clients must show, PEM",
           [](auto& o) -> auto& { return o.front.tls_client_ca; }),
      text("token_file", "bearer tokens, one per line: every call but those of health needs one",
           [](auto& o) -> auto& { return o.front.token_file; }),
      toggle("plaintext", "serves without TLS where other machines can reach it",
             [](auto& o) -> auto& { return o.front.plaintext; }),
      text("admin_address", "serves gerank.v1.AdminService there, which loads and splits models",
           [](auto& o) -> auto& { return o.admin.address; }),
      text("admin_token_file", "bearer tokens of that service, one per line",
           [](auto& o) -> auto& { return o.admin.token_file; }),
      toggle("admin_plaintext", "serves it without TLS where other machines can reach it",
             [](auto& o) -> auto& { return o.admin.plaintext; }),
      text("metrics_address", "serves /metrics and /healthz over HTTP there",
           [](auto& o) -> auto& { return o.metrics_address; }),
      choice("log_level", {"debug", "info", "warning", "error"}, "the least that is told",
             [](auto& o) -> auto& { return o.log.level; }),
      choice("log_format", {"text", "json"}, "how: one line per event on standard error",
             [](auto& o) -> auto& { return o.log.format; }),
      text("exposures", "writes answered calls into this folder, for gerank join",
           [](auto& o) -> auto& { return o.exposures.folder; }),
      share("exposure_share", "of the calls, chosen by their request ids",
            [](auto& o) -> auto& { return o.exposures.share; }),
      number("exposure_file_bytes", exposures::kFileBytes, "size at which a file is closed",
             [](auto& o) -> auto& { return o.exposures.file_bytes; }),
      number("exposure_file_s", exposures::kFileSeconds, "age at which it is closed, in seconds",
             [](auto& o) -> auto& { return o.exposures.file_s; }),
      number("exposure_queue_bytes", exposures::kQueueBytes,
             "calls that wait for the disk; others are lost",
             [](auto& o) -> auto& { return o.exposures.queue_bytes; }),
      number("exposure_max_bytes", exposures::kMaxBytes,
             "of all files, beyond which the oldest go; 0: all stay",
             [](auto& o) -> auto& { return o.exposures.max_bytes; }),
      number("grace_s", {0, 86'400}, "seconds that calls have to end when the server does",
             [](auto& o) -> auto& { return o.stop.grace; }),
      number("pre_stop_delay_s", {0, 86'400},
             "seconds that it serves on before, with NOT_SERVING as its health",
             [](auto& o) -> auto& { return o.stop.pre_stop_delay; }),
  };
}

}  // namespace

const std::vector<Option>& option_table() {
  static const std::vector<Option> table = make_table();
  return table;
}

const Option* find_option(std::string_view name) {
  const auto& table = option_table();
  const auto found = std::find_if(table.begin(), table.end(),
                                  [name](const Option& option) { return option.name == name; });
  return found == table.end() ? nullptr : &*found;
}

}  // namespace gerank::server
