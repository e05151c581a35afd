#include "tensor.h"

#include <cstdint>

#include "wire/utf8.h"

namespace gerank::server::inference {
namespace {

constexpr std::size_t kLengthBytes = 4;  // in front of each element of BYTES

std::string quoted(std::string_view text) { return "'" + std::string(text) + "'"; }

std::string_view contents_field_of(DataType type) {
  switch (type) {
    case DataType::kBool:
      return "bool_contents";
    case DataType::kUint64:
      return "uint64_contents";
    case DataType::kInt32:
      return "int_contents";
    case DataType::kInt64:
      return "int64_contents";
    case DataType::kFp32:
      return "fp32_contents";
    case DataType::kFp64:
      return "fp64_contents";
    case DataType::kBytes:
      break;
  }
  return "bytes_contents";
}

// The number of elements; 0 where the shape is none that a tensor here has.
std::size_t size_of(const Shape& shape) {
  if (shape.axes < 1 || shape.axes > Shape::kMostAxes) return 0;
  std::size_t size = 1;
  for (std::size_t axis = 0; axis < shape.axes; ++axis) {
    if (shape.sizes[axis] < 1) return 0;
    if (__builtin_mul_overflow(size, std::size_t(shape.sizes[axis]), &size)) return 0;
  }
  return size;
}

class TensorReader {
 public:
  TensorReader(const InputFields& fields, Arena& arena, Tensor* tensor)
      : fields_(fields), arena_(arena), tensor_(*tensor) {}

  Status read_head() {
    if (fields_.parameter) {
      return Status::invalid(field("parameters"), quoted(*fields_.parameter),
                             "must be empty: no parameter of a tensor is served");
    }
    const auto type = data_type_of(fields_.datatype);
    if (!type) {
      return Status::invalid(field("datatype"), quoted(fields_.datatype),
                             "must be BOOL, INT32, INT64, UINT64, FP32, FP64 or BYTES");
    }
    tensor_ = {fields_.name, *type, fields_.shape, size_of(fields_.shape), nullptr, {}};
    if (tensor_.size > 0) return {};
    return Status::invalid(field("shape"), text_of(fields_.shape),
                           "must have 1 to 3 sizes, each of at least 1");
  }

  Status read_raw(std::string_view raw) {
    if (fields_.contents) {
      return Status::invalid(field("contents"), "'elements'",
                             "must be left out where raw_input_contents is given");
    }
    if (tensor_.type == DataType::kBytes) return read_texts(raw);
    const std::size_t width = element_bytes(tensor_.type);
    if (raw.size() % width != 0 || raw.size() / width != tensor_.size) {
      return wrong_size(std::to_string(raw.size()) + " bytes",
                        " of " + std::to_string(width) + " bytes each");
    }
    tensor_.values = reinterpret_cast<const std::byte*>(raw.data());
    return {};
  }

  Status read_contents() {
    const ContentsFields contents = fields_.contents.value_or(ContentsFields{});
    switch (tensor_.type) {
      case DataType::kBool:
        return take(contents.bools.view());
      case DataType::kUint64:
        return take(contents.uint64s.view());
      case DataType::kInt32:
        return take(contents.int32s.view());
      case DataType::kInt64:
        return take(contents.int64s.view());
      case DataType::kFp32:
        return take(contents.floats.view());
      case DataType::kFp64:
        return take(contents.doubles.view());
      case DataType::kBytes:
        break;
    }
    tensor_.texts = contents.texts.view();
    return check_texts(" in bytes_contents");
  }

 private:
  std::string field(std::string_view part) const { return field_of(fields_.name, part); }

  template <typename Number>
  Status take(std::span<const Number> numbers) {
    if (numbers.size() != tensor_.size) {
      return wrong_size(std::to_string(numbers.size()) + " elements",
                        " in " + std::string(contents_field_of(tensor_.type)));
    }
    tensor_.values = reinterpret_cast<const std::byte*>(numbers.data());
    return {};
  }

  // The texts of raw contents, up to one more than there may be.
  Status read_texts(std::string_view raw) {
    List<std::string_view> texts;
    bool is_whole = true;
    while (is_whole && !raw.empty() && texts.size() <= tensor_.size) {
      std::uint32_t length = 0;
      is_whole = raw.size() >= kLengthBytes;
      if (is_whole) std::memcpy(&length, raw.data(), kLengthBytes);
      is_whole = is_whole && length <= raw.size() - kLengthBytes;
      if (!is_whole) break;
      texts.push(arena_, raw.substr(kLengthBytes, length));
      raw.remove_prefix(kLengthBytes + length);
    }
    if (!is_whole) {
      return Status::invalid(field("raw_input_contents"),
                             quoted(std::to_string(texts.size()) + " whole elements"),
                             "must be texts with their length in 4 bytes in front");
    }
    tensor_.texts = texts.view();
    return check_texts("");
  }

  Status check_texts(std::string_view place) {
    const auto texts = tensor_.texts;
    if (texts.size() != tensor_.size) {
      return wrong_size(std::to_string(texts.size()) + " elements", std::string(place));
    }
    for (std::size_t i = 0; i < texts.size(); ++i) {
      if (wire::is_utf8(texts[i])) continue;
      return Status::invalid("inputs." + std::string(fields_.name) + "[" + std::to_string(i) + "]",
                             quoted(std::to_string(texts[i].size()) + " other bytes"),
                             "must be UTF-8");
    }
    return {};
  }

  Status wrong_size(const std::string& given, const std::string& how) const {
    return Status::invalid("inputs." + std::string(fields_.name), quoted(given),
                           "must have " + std::to_string(tensor_.size) + " elements" + how +
                               ", as its shape " + text_of(fields_.shape) + " says");
  }

  const InputFields& fields_;
  Arena& arena_;
  Tensor& tensor_;
};

}  // namespace

std::int64_t Tensor::whole_at(std::size_t place) const {
  if (type == DataType::kBool) return at<std::uint8_t>(place);
  return type == DataType::kInt32 ? at<std::int32_t>(place) : at<std::int64_t>(place);
}

double Tensor::real_at(std::size_t place) const {
  return type == DataType::kFp32 ? double(at<float>(place)) : at<double>(place);
}

std::string field_of(std::string_view tensor, std::string_view part) {
  return "inputs." + std::string(tensor) + "." + std::string(part);
}

Status read_tensor(const InputFields& fields, const std::string_view* raw, Arena& arena,
                   Tensor* tensor) {
  TensorReader reader(fields, arena, tensor);
  if (Status status = reader.read_head(); !status) return status;
  return raw != nullptr ? reader.read_raw(*raw) : reader.read_contents();
}

}  // namespace gerank::server::inference
