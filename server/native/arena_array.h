// Arrays of plain structs that live as long as a call's arena.
#pragma once

#include <google/protobuf/arena.h>
#include <google/protobuf/repeated_ptr_field.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

namespace gerank::server {

// Default-constructed; the arena runs no destructors.
template <typename T>
std::span<T> make_array(google::protobuf::Arena& arena, int size) {
  static_assert(std::is_trivially_destructible_v<T> && alignof(T) <= 8);
  if (size == 0) return {};
  void* memory = google::protobuf::Arena::CreateArray<char>(&arena, std::size_t(size) * sizeof(T));
  const std::span<T> array(static_cast<T*>(memory), std::size_t(size));
  std::uninitialized_value_construct(array.begin(), array.end());
  return array;
}

// Returns views of `texts`, which must live as long.
inline std::span<const std::string_view> views(
    google::protobuf::Arena& arena, const google::protobuf::RepeatedPtrField<std::string>& texts) {
  const auto array = make_array<std::string_view>(arena, texts.size());
  for (int i = 0; i < texts.size(); ++i) array[std::size_t(i)] = texts.Get(i);
  return array;
}

}  // namespace gerank::server
