#include "infer_request.h"

#include <gerank/ranker.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "infer_fields.h"
#include "infer_response.h"
#include "page_tensors.h"
#include "wire/request_writer.h"
#include "wire/response_writer.h"

namespace gerank::server::inference {
namespace {

// Holds the views of one page of 200 candidates with ids.
constexpr std::size_t kFirstBlock = 8 << 10;

Status no_message(std::string_view bytes) {
  return Status::invalid("request", "'" + std::to_string(bytes.size()) + " other bytes'",
                         "must be an inference.ModelInferRequest");
}

Status wrong_number(std::string_view field, std::size_t number, std::size_t most) {
  return Status::invalid(field, std::to_string(number), "must be 1 to " + std::to_string(most));
}

// The first name that comes twice, sorted for it in the arena.
template <typename Element>
std::optional<std::string_view> first_twice(std::span<const Element> elements, Arena& arena) {
  List<std::string_view> names;
  for (const Element& each : elements) names.push(arena, each.name);
  std::sort(names.begin(), names.end());
  const auto* const twice = std::adjacent_find(names.begin(), names.end());
  if (twice == names.end()) return {};
  return *twice;
}

class InferRequest final : public RankRequest {
 public:
  InferRequest() : memory_(new std::byte[kFirstBlock]), arena_(memory_.get(), kFirstBlock) {}

  Status read(Engine& engine, std::string_view message, TimePoint deadline) override {
    const bool is_message = read_fields(message, arena_, &fields_);
    const std::size_t pages = is_message ? told_pages() : 0, most = engine.options().max_queries;
    if (Status status = engine.expect(std::min(pages, most), deadline); !status) return status;
    call_.deadline = deadline;
    call_.model = fields_.model_name;
    call_.version = fields_.model_version;
    Status status = !is_message ? no_message(message) : check_request();
    if (status && pages > most) status = wrong_number("inputs[0].shape[0]", pages, most);
    if (status) status = read_outputs();
    if (status) status = read_pages(engine, pages);
    if (!status) engine.count_refusal(status.code(), std::min(pages, most));
    return status;
  }

  Call& call() override { return call_; }

  std::string response() override {
    const std::string_view model = fields_.model_name.empty() ? default_model_ : fields_.model_name;
    return write_response({model, fields_.id, outputs_.view(), slots_}, call_);
  }

  ExposedMessages exposed(std::string_view, std::string_view) override {
    exposed_request_ = wire::write_request(page_ids_.view(), call_);
    exposed_response_ = wire::write_response(page_ids_.view(), call_);
    return {exposed_request_, exposed_response_};
  }

  void clear() override {
    fields_ = {};
    queries_ = {};
    page_ids_ = {};
    outputs_ = {};
    slots_ = 0;
    call_.queries = {};
    contract_of_.reset();
    arena_.release();
    exposed_request_.clear();
    exposed_response_.clear();
  }

 private:
  // The size of the batch, as the first input tells it.
  std::size_t told_pages() const {
    const auto inputs = fields_.inputs.view();
    if (inputs.empty() || inputs.front().shape.axes == 0) return 0;
    return std::size_t(std::max<std::int64_t>(inputs.front().shape.sizes[0], 0));
  }

  // What is wrong with the request as a whole.
  Status check_request() {
    if (fields_.parameter) {
      return Status::invalid("parameters", "'" + std::string(*fields_.parameter) + "'",
                             "must be empty: what a page asks for is told by input tensors");
    }
    const std::size_t inputs = fields_.inputs.count(), raw = fields_.raw_inputs.count();
    if (inputs < 1 || inputs > InferFields::kMostInputs) {
      return wrong_number("inputs", inputs, InferFields::kMostInputs);
    }
    if (raw != 0 && raw != inputs) {
      return Status::invalid("raw_input_contents", "'" + std::to_string(raw) + " elements'",
                             "must have an element per input, which are " + std::to_string(inputs));
    }
    if (const auto twice = first_twice(fields_.inputs.view(), arena_)) {
      return Status::invalid("inputs", "'" + std::string(*twice) + "'",
                             "the tensor is given twice");
    }
    return {};
  }

  Status read_outputs() {
    const std::size_t count = fields_.outputs.count();
    if (count > InferFields::kMostOutputs) {
      return wrong_number("outputs", count, InferFields::kMostOutputs);
    }
    for (const OutputFields& output : fields_.outputs.view()) {
      const std::string name(output.name);
      const std::size_t place = place_of(kOutputs, output.name);
      if (place == kNoTensor) return unknown_output(name);
      if (output.parameter) {
        return Status::invalid("outputs." + name + ".parameters",
                               "'" + std::string(*output.parameter) + "'",
                               "must be empty: no parameter of a tensor is served");
      }
      outputs_.push(arena_, Output(place));
    }
    if (const auto twice = first_twice(fields_.outputs.view(), arena_)) {
      return Status::invalid("outputs", "'" + std::string(*twice) + "'",
                             "the tensor is requested twice");
    }
    for (std::size_t place = 0; count == 0 && place < kOutputs.size(); ++place) {
      outputs_.push(arena_, Output(place));
    }
    return {};
  }

  static Status unknown_output(const std::string& name) {
    std::string known;
    for (const TensorKind& each : kOutputs) {
      known += (known.empty() ? "" : ", ") + std::string(each.name);
    }
    return Status::invalid("outputs", "'" + name + "'", "must be one of " + known);
  }

  Status read_pages(Engine& engine, std::size_t pages) {
    contract_of_ = engine.find(call_.model, call_.version);
    if (!contract_of_) return {};  // the engine says why when it gets the call
    if (fields_.model_name.empty()) read_default_model(engine);
    PageTensors tensors(contract_of_->contract(), pages, arena_);
    const auto inputs = fields_.inputs.view();
    const auto raw = fields_.raw_inputs.view();
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      Tensor tensor;
      Status status = read_tensor(inputs[i], raw.empty() ? nullptr : &raw[i], arena_, &tensor);
      if (status) status = tensors.add(tensor);
      if (!status) return status;
    }
    for (std::size_t page = 0; page < pages; ++page) {
      Query query;
      if (Status status = tensors.read_page(page, &query); !status) return status;
      queries_.push(arena_, query);
      slots_ = std::max(slots_, slots_of(query));
      page_ids_.push(arena_, tensors.id_of(page));
    }
    call_.queries = queries_.view();
    return {};
  }

  // How many slots a page fills at most, unless it has a pin beyond them.
  std::size_t slots_of(const Query& query) const {
    const std::int64_t asked =
        query.slots.value_or(contract_of_->contract().preset_of(query).slots);
    return std::size_t(std::clamp<std::int64_t>(asked, 0, query.candidate_count));
  }

  void read_default_model(const Engine& engine) {
    for (const PublishedModel& model : engine.models()) {
      if (model.is_default) default_model_ = model.name;
    }
  }

  std::unique_ptr<std::byte[]> memory_;  // the arena's first block, which it keeps
  Arena arena_;                          // of the views
  InferFields fields_;
  List<Query> queries_;
  List<std::string_view> page_ids_;
  List<Output> outputs_;
  std::size_t slots_ = 0;                      // N of the answer
  std::shared_ptr<const Ranker> contract_of_;  // whose features' names the queries point at
  std::string default_model_;
  Call call_;
  std::string exposed_request_, exposed_response_;
};

}  // namespace

RankRequest::Maker infer_requests() {
  return [] { return std::make_unique<InferRequest>(); };
}

}  // namespace gerank::server::inference
