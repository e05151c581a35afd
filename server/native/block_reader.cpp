#include "block_reader.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <cstdint>
#include <initializer_list>
#include <utility>

#include "arena_array.h"
#include "gerank/v1/rerank.pb.h"
#include "value_field.h"

namespace gerank::server {
namespace {

using google::protobuf::Arena;
using google::protobuf::internal::WireFormatLite;

constexpr std::uint32_t bytes_tag(int field) {
  return WireFormatLite::MakeTag(field, WireFormatLite::WIRETYPE_LENGTH_DELIMITED);
}

std::string path_at(std::string_view field, int index) {
  return std::string(field) + "[" + std::to_string(index) + "]";
}

}  // namespace

Status BlockReader::read(std::string_view field,
                         const google::protobuf::RepeatedPtrField<std::string>& messages,
                         std::span<const FeatureBlock>* blocks) {
  const auto array = make_array<FeatureBlock>(arena_, messages.size());
  for (int i = 0; i < messages.size(); ++i) {
    FeatureBlock* block = &array[std::size_t(i)];
    if (read_known(messages.Get(i), block)) continue;
    if (Status status = read_any(field, i, messages.Get(i), block); !status) return status;
  }
  *blocks = array;
  return {};
}

bool BlockReader::read_known(std::string_view bytes, FeatureBlock* block) {
  std::shared_ptr<const NameList> list = memo_.find(bytes);
  if (list == nullptr) return false;
  const std::string_view rest = bytes.substr(list->bytes.size());
  google::protobuf::io::CodedInputStream in(reinterpret_cast<const std::uint8_t*>(rest.data()),
                                            int(rest.size()));
  const std::uint32_t tag = in.ReadTag();
  const bool floats = tag == bytes_tag(v1::FeatureBlock::kFloat32LeFieldNumber);
  if (!floats && tag != bytes_tag(v1::FeatureBlock::kInt64LeFieldNumber)) return false;
  std::uint32_t size = 0;
  if (!in.ReadVarint32(&size)) return false;
  const std::string_view values = rest.substr(std::size_t(in.CurrentPosition()));
  const std::size_t width = floats ? 4 : 8;
  if (size == 0 || values.size() != size || size % width != 0) return false;
  block->names = list->names;
  block->names_id = list->id;
  block->type = floats ? ColumnType::kFloat32 : ColumnType::kInt64;
  block->values = values.data();
  block->bytes = values.size();
  names_.push_back(std::move(list));
  return true;
}

Status BlockReader::read_any(std::string_view field, int index, const std::string& bytes,
                             FeatureBlock* block) {
  auto* message = Arena::CreateMessage<v1::FeatureBlock>(&arena_);
  if (!message->ParseFromString(bytes)) {
    malformed_ = true;  // told of the whole message, as where one parser reads it all
    return Status::invalid(path_at(field, index), "'" + std::to_string(bytes.size()) + " bytes'",
                           "must be a gerank.v1.FeatureBlock");
  }
  if (message->names_size() == 0) {
    return Status::invalid(path_at(field, index) + ".names", "[]",
                           "must name at least one feature");
  }
  memo_.keep(bytes);
  const std::initializer_list<ValueField> fields = {
      packed("float32_le", ColumnType::kFloat32, message->float32_le()),
      packed("int64_le", ColumnType::kInt64, message->int64_le()),
      numbers("floats", ColumnType::kFloat32, message->floats()),
      numbers("ints", ColumnType::kInt64, message->ints())};
  ValueField given{};
  if (Status status = read_values("", fields, &given); !status) {
    return read_values(path_at(field, index), fields, &given);  // the path only where it is told
  }
  block->names = views(arena_, message->names());
  block->type = given.type;
  block->values = given.values;
  block->bytes = given.bytes;
  return {};
}

}  // namespace gerank::server
