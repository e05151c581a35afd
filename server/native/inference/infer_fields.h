// What a ModelInferRequest message says, field by field: views of its bytes, and lists in an arena.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "wire/arena_list.h"

namespace gerank::server::inference {

using wire::Arena;
using wire::List;

struct Shape {
  static constexpr std::size_t kMostAxes = 3;  // of any tensor here

  std::array<std::int64_t, kMostAxes> sizes{};
  std::size_t axes = 0;  // as the message has them; sizes beyond kMostAxes are not kept
};

// As Python shows it: [2, 5].
std::string text_of(const Shape& shape);

// What an InferTensorContents message says.
struct ContentsFields {
  List<std::uint8_t> bools;
  List<std::int32_t> int32s;
  List<std::int64_t> int64s;
  List<std::uint64_t> uint64s;
  List<float> floats;
  List<double> doubles;
  List<std::string_view> texts;
};

struct InputFields {
  std::string_view name, datatype;
  Shape shape;
  std::optional<std::string_view> parameter;  // the name of one
  std::optional<ContentsFields> contents;
};

struct OutputFields {
  std::string_view name;
  std::optional<std::string_view> parameter;  // the name of one
};

// The first elements of a repeated field. The rest is counted and not kept, since two bytes of a
// message can be one.
template <typename T, std::size_t kMost>
class FirstOf {
 public:
  void push(Arena& arena, const T& element) {
    if (count_++ < kMost) kept_.push(arena, element);
  }

  static constexpr std::size_t most() { return kMost; }
  std::size_t count() const { return count_; }
  std::span<const T> view() const { return kept_.view(); }

 private:
  List<T> kept_;
  std::size_t count_ = 0;
};

struct InferFields {
  static constexpr std::size_t kMostInputs = 4096, kMostOutputs = 64;

  std::string_view model_name, model_version, id;
  std::optional<std::string_view> parameter;  // the name of one
  FirstOf<InputFields, kMostInputs> inputs;
  FirstOf<OutputFields, kMostOutputs> outputs;
  FirstOf<std::string_view, kMostInputs> raw_inputs;
};

// Whether `bytes` are a message. They must stay as they are while the fields are used, and the
// arena must not be released.
bool read_fields(std::string_view bytes, Arena& arena, InferFields* fields);

}  // namespace gerank::server::inference
