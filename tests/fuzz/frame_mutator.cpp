#include "frame_mutator.h"

#include <algorithm>
#include <cstring>
#include <random>

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

namespace {

constexpr std::size_t kFlagsByte = 1;  // of fuzz_connection.cpp

std::size_t length_of(const std::uint8_t* head) {
  return std::size_t(head[0]) << 16 | std::size_t(head[1]) << 8 | head[2];
}

void set_length(std::uint8_t* head, std::size_t length) {
  head[0] = std::uint8_t(length >> 16);
  head[1] = std::uint8_t(length >> 8);
  head[2] = std::uint8_t(length);
}

// Changes the payload of one frame, and its length with it.
std::size_t mutate_payload(std::uint8_t* data, std::size_t size, std::size_t max_size,
                           const FramePlace& place) {
  std::uint8_t* const payload = data + place.begin + kFrameHead;
  const std::size_t behind = size - (place.begin + kFrameHead + place.payload_size);
  const std::size_t room = std::min<std::size_t>(max_size - (size - place.payload_size), 1 << 14);
  std::vector<std::uint8_t> changed(payload, payload + place.payload_size);
  changed.resize(std::max(room, place.payload_size));
  const std::size_t length = LLVMFuzzerMutate(changed.data(), place.payload_size, room);
  std::memmove(payload + length, payload + place.payload_size, behind);
  std::copy_n(changed.data(), length, payload);
  set_length(data + place.begin, length);
  return size - place.payload_size + length;
}

// Sends one frame twice.
std::size_t repeat_frame(std::uint8_t* data, std::size_t size, std::size_t max_size,
                         const FramePlace& place) {
  const std::size_t whole = kFrameHead + place.payload_size, end = place.begin + whole;
  if (size + whole > max_size) return size;
  std::memmove(data + end + whole, data + end, size - end);
  std::memcpy(data + end, data + place.begin, whole);
  return size + whole;
}

}  // namespace

std::vector<FramePlace> find_frames(const std::uint8_t* bytes, std::size_t size,
                                    std::size_t skipped) {
  std::vector<FramePlace> places;
  for (std::size_t at = skipped; at + kFrameHead <= size;) {
    const std::size_t length = length_of(bytes + at);
    if (length > size - at - kFrameHead) break;
    places.push_back({at, length});
    at += kFrameHead + length;
  }
  return places;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned int seed) {
  std::minstd_rand random(seed);
  const auto places = find_frames(data, size, kFlagsByte);
  const unsigned how = random() % 8;
  if (places.empty() || how < 2) return LLVMFuzzerMutate(data, size, max_size);
  const FramePlace& place = places[random() % places.size()];
  if (how == 2) return repeat_frame(data, size, max_size, place);
  if (how == 3) {  // its type, its flags, or its stream
    data[place.begin + 3 + random() % 6] ^= std::uint8_t(1u << (random() % 8));
    return size;
  }
  return mutate_payload(data, size, max_size, place);
}
