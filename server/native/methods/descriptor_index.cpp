#include "descriptor_index.h"

#include <algorithm>
#include <cstdint>
#include <initializer_list>

#include "descriptor_set.h"
#include "wire/protobuf_reader.h"

namespace gerank::server {
namespace {

using wire::bytes_tag;
using wire::FieldReader;

using Symbols = std::vector<std::string>;

// The first bytes field of that number, or nothing.
std::string_view field_of(std::string_view message, std::uint32_t field) {
  FieldReader in(message);
  while (in.next()) {
    if (in.tag() == bytes_tag(field)) return in.bytes();
    in.skip();
  }
  return {};
}

// Calls `read` with each bytes field of that number.
template <typename Read>
void for_each(std::string_view message, std::uint32_t field, const Read& read) {
  FieldReader in(message);
  while (in.next()) {
    if (in.tag() == bytes_tag(field)) {
      read(in.bytes());
    } else {
      in.skip();
    }
  }
}

// Every declaration of google.protobuf has its name in field 1.
std::string add(std::string_view declaration, const std::string& scope, Symbols* symbols) {
  symbols->push_back(scope + std::string(field_of(declaration, 1)));
  return symbols->back() + ".";
}

// The numbers of fields are those of google/protobuf/descriptor.proto.
void add_enum(std::string_view declared, const std::string& scope, Symbols* symbols) {
  add(declared, scope, symbols);
  // Values are siblings of their enumeration.
  for_each(declared, 2, [&](std::string_view value) { add(value, scope, symbols); });
}

void add_service(std::string_view declared, const std::string& scope, Symbols* symbols) {
  const std::string inner = add(declared, scope, symbols);
  for_each(declared, 2, [&](std::string_view method) { add(method, inner, symbols); });
}

void add_message(std::string_view declared, const std::string& scope, Symbols* symbols) {
  const std::string inner = add(declared, scope, symbols);
  for (const std::uint32_t field_or_oneof : {2, 8}) {
    for_each(declared, field_or_oneof, [&](std::string_view each) { add(each, inner, symbols); });
  }
  for_each(declared, 3, [&](std::string_view each) { add_message(each, inner, symbols); });
  for_each(declared, 4, [&](std::string_view each) { add_enum(each, inner, symbols); });
}

Symbols symbols_of(const DescriptorIndex::File& file) {
  Symbols symbols;
  const std::string scope = file.package.empty() ? "" : std::string(file.package) + ".";
  for_each(file.bytes, 4, [&](std::string_view each) { add_message(each, scope, &symbols); });
  for_each(file.bytes, 5, [&](std::string_view each) { add_enum(each, scope, &symbols); });
  for_each(file.bytes, 6, [&](std::string_view each) { add_service(each, scope, &symbols); });
  return symbols;
}

const DescriptorIndex::File* find(
    const std::map<std::string, const DescriptorIndex::File*, std::less<>>& files,
    std::string_view name) {
  const auto found = files.find(name);
  return found == files.end() ? nullptr : found->second;
}

}  // namespace

DescriptorIndex::DescriptorIndex(std::string_view set) {
  for_each(set, 1, [this](std::string_view bytes) {
    File file{field_of(bytes, 1), field_of(bytes, 2), bytes, {}};
    for_each(bytes, 3, [&](std::string_view name) { file.dependencies.push_back(name); });
    files_.push_back(std::move(file));
  });
  for (const File& file : files_) {
    names_.emplace(file.name, &file);
    for (const std::string& symbol : symbols_of(file)) symbols_.emplace(symbol, &file);
  }
}

const DescriptorIndex::File* DescriptorIndex::by_name(std::string_view name) const {
  return find(names_, name);
}

const DescriptorIndex::File* DescriptorIndex::by_symbol(std::string_view symbol) const {
  return find(symbols_, symbol);
}

std::vector<const DescriptorIndex::File*> DescriptorIndex::with_imports(const File& file) const {
  std::vector<const File*> all{&file};
  for (std::size_t i = 0; i < all.size(); ++i) {
    for (const std::string_view name : all[i]->dependencies) {
      const File* const imported = by_name(name);
      if (imported != nullptr && std::find(all.begin(), all.end(), imported) == all.end()) {
        all.push_back(imported);
      }
    }
  }
  return all;
}

const DescriptorIndex& served_descriptors() {
  static const DescriptorIndex index(served_descriptor_set());
  return index;
}

}  // namespace gerank::server
