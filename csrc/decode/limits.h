// Largest sizes of the decode ops. The state of a slate is sized by them, so that it needs no heap.
#pragma once

namespace gerank {

constexpr int kMaxCandidates = 512;  // M
constexpr int kMaxSlots = 128;       // N
constexpr int kMaxGroupKeys = 8;     // K
constexpr int kMaxFlags = 16;        // Q
constexpr int kMaxWidth = 512;       // D and H

}  // namespace gerank
