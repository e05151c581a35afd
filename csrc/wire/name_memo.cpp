#include "name_memo.h"

#include <gerank/query.h>

#include <utility>

#include "protobuf_reader.h"

namespace gerank::wire {
namespace {

constexpr std::uint32_t kNames = bytes_tag(1);  // of a FeatureBlock
static_assert(kNames < 0x80, "a tag of one byte");

}  // namespace

const NameList* NameMemo::find(std::string_view block) const {
  for (const NameList& list : lists_) {
    if (list.bytes.empty() || !block.starts_with(list.bytes)) continue;
    const std::string_view rest = block.substr(list.bytes.size());
    if (rest.empty() || std::uint8_t(rest.front()) != kNames) return &list;
  }
  return nullptr;
}

void NameMemo::keep(std::string_view block) {
  NameList list;
  std::size_t size = 0;
  FieldReader in(block);
  while (in.next() && in.tag() == kNames) {
    const std::string_view name = in.bytes();
    list.places.push_back({std::size_t(name.data() - block.data()), name.size()});
    size = block.size() - in.rest().size();
  }
  if (size == 0 || size > kLongest) return;
  list.bytes = block.substr(0, size);
  list.id = new_names_id();
  lists_[next_] = std::move(list);
  next_ = (next_ + 1) % kKept;
}

}  // namespace gerank::wire
