// Mutates what a client of HTTP/2 sends so that most frames keep their bounds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

struct FramePlace {
  std::size_t begin, payload_size;  // of its head; behind it
};

// The bytes of a frame's head: three of length, type, flags, four of stream.
inline constexpr std::size_t kFrameHead = 9;

// Where whole frames lie in `bytes`, behind the first `skipped` bytes.
std::vector<FramePlace> find_frames(const std::uint8_t* bytes, std::size_t size,
                                    std::size_t skipped);
