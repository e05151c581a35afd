#include "name_memo.h"

#include <gerank/query.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <cstdint>

#include "gerank/v1/rerank.pb.h"

namespace gerank::server {
namespace {

using google::protobuf::internal::WireFormatLite;

constexpr std::uint32_t kNameTag = WireFormatLite::MakeTag(
    v1::FeatureBlock::kNamesFieldNumber, WireFormatLite::WIRETYPE_LENGTH_DELIMITED);
static_assert(kNameTag < 0x80, "a tag of one byte");

// The names that `block` begins with, and how many of its bytes they take.
std::size_t read_names(std::string_view block, std::vector<std::string_view>* names) {
  google::protobuf::io::CodedInputStream in(reinterpret_cast<const std::uint8_t*>(block.data()),
                                            int(block.size()));
  int end = 0;
  std::uint32_t size = 0;
  while (in.ReadTag() == kNameTag && in.ReadVarint32(&size)) {
    const int first = in.CurrentPosition();
    if (!in.Skip(int(size))) break;
    names->push_back(block.substr(std::size_t(first), size));
    end = in.CurrentPosition();
  }
  return std::size_t(end);
}

}  // namespace

std::shared_ptr<const NameList> NameMemo::find(std::string_view block) const {
  for (const auto& list : lists_) {
    if (list == nullptr || !block.starts_with(list->bytes)) continue;
    const std::string_view rest = block.substr(list->bytes.size());
    if (rest.empty() || std::uint8_t(rest.front()) != kNameTag) return list;
  }
  return nullptr;
}

void NameMemo::keep(std::string_view block) {
  if (find(block) != nullptr) return;
  std::vector<std::string_view> names;
  const std::size_t size = read_names(block, &names);
  if (names.empty() || size > kLongest) return;
  const auto list = std::make_shared<NameList>();
  list->bytes = block.substr(0, size);
  read_names(list->bytes, &list->names);
  list->id = new_names_id();
  lists_[next_] = list;
  next_ = (next_ + 1) % kKept;
}

}  // namespace gerank::server
