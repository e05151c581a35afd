#include "infer_fields.h"

#include <algorithm>
#include <functional>

#include "wire/protobuf_reader.h"

// The numbers of fields are those of protos/inference/grpc_service.proto.

namespace gerank::server::inference {
namespace {

using wire::bytes_tag;
using wire::FieldReader;
using wire::fixed32_tag;
using wire::fixed64_tag;
using wire::varint_tag;

// Goes through a message: `read` reads the field before which `in` stands, or returns false.
template <typename Read>
void each(FieldReader& in, const Read& read) {
  while (in.next()) {
    if (!read()) in.skip();
  }
}

bool read_text(FieldReader& in, std::uint32_t field, std::string_view* text) {
  if (in.tag() != bytes_tag(field)) return false;
  *text = in.text();
  return true;
}

class MessageReader {
 public:
  explicit MessageReader(Arena& arena) : arena_(arena) {}

  void read(FieldReader& in, InferFields* fields) {
    each(in, [&] {
      return read_text(in, 1, &fields->model_name) || read_text(in, 2, &fields->model_version) ||
             read_text(in, 3, &fields->id) || read_parameter(in, 4, &fields->parameter) ||
             read_element<InputFields>(in, 5, &fields->inputs) ||
             read_element<OutputFields>(in, 6, &fields->outputs) ||
             read_bytes(in, 7, &fields->raw_inputs);
    });
  }

 private:
  void read(FieldReader& in, InputFields* input) {
    each(in, [&] {
      return read_text(in, 1, &input->name) || read_text(in, 2, &input->datatype) ||
             read_shape(in, 3, &input->shape) || read_parameter(in, 4, &input->parameter) ||
             read_contents(in, 5, &input->contents);
    });
  }

  void read(FieldReader& in, OutputFields* output) {
    each(in, [&] {
      return read_text(in, 1, &output->name) || read_parameter(in, 2, &output->parameter);
    });
  }

  void read(FieldReader& in, ContentsFields* contents) {
    each(in, [&] {
      return read_numbers(in, 1, varint_tag(1), &contents->bools, is_true) ||
             read_numbers(in, 2, varint_tag(2), &contents->int32s, &FieldReader::int32) ||
             read_numbers(in, 3, varint_tag(3), &contents->int64s, &FieldReader::varint) ||
             read_numbers(in, 5, varint_tag(5), &contents->uint64s, &FieldReader::varint) ||
             read_numbers(in, 6, fixed32_tag(6), &contents->floats, &FieldReader::fixed<float>) ||
             read_numbers(in, 7, fixed64_tag(7), &contents->doubles, &FieldReader::fixed<double>) ||
             read_bytes(in, 8, &contents->texts);
    });
  }

  static bool is_true(FieldReader& in) { return in.varint() != 0; }

  template <typename Element, typename Elements>
  bool read_element(FieldReader& in, std::uint32_t field, Elements* list) {
    if (in.tag() != bytes_tag(field)) return false;
    Element element{};
    in.message([&](FieldReader& message) { read(message, &element); });
    list->push(arena_, element);
    return true;
  }

  // A message that comes twice is one, whose fields come in two parts.
  bool read_contents(FieldReader& in, std::uint32_t field,
                     std::optional<ContentsFields>* contents) {
    if (in.tag() != bytes_tag(field)) return false;
    if (!*contents) contents->emplace();
    in.message([&](FieldReader& message) { read(message, &**contents); });
    return true;
  }

  // An entry of a map of parameters, of which the name is kept. Its value is read, too, since it
  // must be a message.
  static bool read_parameter(FieldReader& in, std::uint32_t field,
                             std::optional<std::string_view>* parameter) {
    if (in.tag() != bytes_tag(field)) return false;
    std::string_view name;
    in.message([&](FieldReader& entry) {
      each(entry, [&] {
        if (entry.tag() != bytes_tag(2)) return read_text(entry, 1, &name);
        entry.message([](FieldReader& value) { each(value, [] { return false; }); });
        return true;
      });
    });
    *parameter = name;
    return true;
  }

  template <typename List>
  bool read_bytes(FieldReader& in, std::uint32_t field, List* list) {
    if (in.tag() != bytes_tag(field)) return false;
    list->push(arena_, in.bytes());
    return true;
  }

  // Reads a repeated field in its packed form, or an element of it that stands alone.
  template <typename Number, typename Value>
  bool read_numbers(FieldReader& in, std::uint32_t field, std::uint32_t alone, List<Number>* list,
                    const Value& value) {
    const auto push = [&](FieldReader& from) {
      list->push(arena_, Number(std::invoke(value, from)));
    };
    if (in.tag() == bytes_tag(field)) {
      in.packed(push);
    } else if (in.tag() == alone) {
      push(in);
    } else {
      return false;
    }
    return true;
  }

  static bool read_shape(FieldReader& in, std::uint32_t field, Shape* shape) {
    const auto push = [shape](FieldReader& from) {
      const auto size = std::int64_t(from.varint());
      if (shape->axes < Shape::kMostAxes) shape->sizes[shape->axes] = size;
      ++shape->axes;
    };
    if (in.tag() == bytes_tag(field)) {
      in.packed(push);
    } else if (in.tag() == varint_tag(field)) {
      push(in);
    } else {
      return false;
    }
    return true;
  }

  Arena& arena_;
};

}  // namespace

std::string text_of(const Shape& shape) {
  std::string text = "[";
  const std::size_t kept = std::min(shape.axes, Shape::kMostAxes);
  for (std::size_t axis = 0; axis < kept; ++axis) {
    text += (axis > 0 ? ", " : "") + std::to_string(shape.sizes[axis]);
  }
  return text + (kept < shape.axes ? ", ...]" : "]");
}

bool read_fields(std::string_view bytes, Arena& arena, InferFields* fields) {
  FieldReader in(bytes);
  MessageReader(arena).read(in, fields);
  return in.ok();
}

}  // namespace gerank::server::inference
