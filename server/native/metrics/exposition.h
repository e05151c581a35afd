// Metrics as text: the format of Prometheus, version 0.0.4, or OpenMetrics 1.0.
#pragma once

#include <gerank/engine.h>

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace gerank::server {

enum class MetricsFormat { kPrometheus, kOpenMetrics };

// Writes one family after the other: its head, then its samples.
class Exposition {
 public:
  using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

  explicit Exposition(MetricsFormat format) : format_(format) {}

  // Begins a family. The name of a counter ends with _total. `help` is one sentence.
  void counter(std::string_view name, std::string_view help);
  void gauge(std::string_view name, std::string_view help);

  // One sample of the family that was begun last.
  void sample(double value, Labels labels = {});

  // A whole family: a histogram of values of which 1 / `per_unit` is one unit, as 1e6 for
  // microseconds that are told as seconds. Of the buckets, the first `buckets` are written; the
  // last one always counts what is beyond.
  void histogram(std::string_view name, std::string_view help,
                 const EngineStats::Histogram& histogram, double per_unit, std::size_t buckets);

  // The text, with its end.
  std::string take();

 private:
  void begin(std::string_view name, std::string_view type, std::string_view help);
  void line(std::string_view suffix, double value, Labels labels);

  const MetricsFormat format_;
  std::string text_, name_;
};

}  // namespace gerank::server
