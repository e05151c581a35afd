#include "exposition.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace gerank::server {
namespace {

constexpr std::string_view kTotal = "_total";

// The shortest text that reads as this number; with a point, as OpenMetrics has it for bounds.
std::string text_of(double value) {
  char text[32];
  const auto [end, error] = std::to_chars(text, text + sizeof text, value);
  return std::string(text, end);
}

std::string bound(double value) {
  std::string text = text_of(value);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

void append_escaped(std::string_view value, std::string* text) {
  for (const char each : value) {
    if (each == '\n') {
      *text += "\\n";
      continue;
    }
    if (each == '"' || each == '\\') *text += '\\';
    *text += each;
  }
}

}  // namespace

void Exposition::begin(std::string_view name, std::string_view type, std::string_view help) {
  name_ = name;
  std::string_view family = name;
  // OpenMetrics names the family, and only its samples have the suffix.
  if (format_ == MetricsFormat::kOpenMetrics && type == "counter") {
    family.remove_suffix(kTotal.size());
  }
  text_.append("# HELP ").append(family).append(" ").append(help).append("\n");
  text_.append("# TYPE ").append(family).append(" ").append(type).append("\n");
}

void Exposition::counter(std::string_view name, std::string_view help) {
  begin(name, "counter", help);
}

void Exposition::gauge(std::string_view name, std::string_view help) { begin(name, "gauge", help); }

void Exposition::sample(double value, Labels labels) { line("", value, labels); }

void Exposition::line(std::string_view suffix, double value, Labels labels) {
  text_.append(name_).append(suffix);
  char before = '{';
  for (const auto& [label, text] : labels) {
    text_.append(1, before).append(label).append("=\"");
    append_escaped(text, &text_);
    text_ += '"';
    before = ',';
  }
  if (labels.size() > 0) text_ += '}';
  text_.append(" ").append(text_of(value)).append("\n");
}

void Exposition::histogram(std::string_view name, std::string_view help,
                           const EngineStats::Histogram& histogram, double per_unit,
                           std::size_t buckets) {
  begin(name, "histogram", help);
  std::uint64_t below = 0;
  const std::size_t bounded = std::min(buckets, histogram.buckets.size() - 1);
  for (std::size_t i = 0; i < bounded; ++i) {
    below += histogram.buckets[i];
    line("_bucket", double(below), {{"le", bound(std::ldexp(1.0, int(i)) / per_unit)}});
  }
  line("_bucket", double(histogram.count), {{"le", "+Inf"}});
  line("_sum", double(histogram.sum) / per_unit, {});
  line("_count", double(histogram.count), {});
}

std::string Exposition::take() {
  if (format_ == MetricsFormat::kOpenMetrics) text_ += "# EOF\n";
  return std::move(text_);
}

}  // namespace gerank::server
