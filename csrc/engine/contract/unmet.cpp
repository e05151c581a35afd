#include "unmet.h"

#include <algorithm>

namespace gerank {

UnmetRules::UnmetRules(const Contract& contract, const PaddedBatch& batch, std::size_t b,
                       std::int64_t candidates, std::size_t above,
                       std::span<const std::int64_t> slate)
    : contract_(contract),
      batch_(batch),
      b_(b),
      above_(above),
      candidates_(candidates),
      slate_(slate) {}

std::int64_t UnmetRules::at(std::size_t slot) const {
  return slot < above_ ? candidates_ + static_cast<std::int64_t>(slot) : slate_[slot];
}

void UnmetRules::find(std::vector<Unmet>* unmet) const {
  find_pins(unmet);
  find_dedup(unmet);
  for (std::size_t q = 0; q < contract_.flags.size(); ++q) find_quota(q, unmet);
  for (std::size_t k = 0; k < contract_.groups.size(); ++k) find_spacing(k, unmet);
}

std::int32_t UnmetRules::page_slot(std::size_t slot) const {
  return static_cast<std::int32_t>(slot - above_);
}

void UnmetRules::find_pins(std::vector<Unmet>* unmet) const {
  const std::int64_t* pins = batch_.pins + b_ * slate_.size();
  for (std::size_t n = above_; n < slate_.size(); ++n) {
    if (pins[n] < 0 || pins[n] == slate_[n]) continue;
    unmet->push_back({UnmetRule::kPin, "", pins[n], slate_[n], {page_slot(n)}});
  }
}

void UnmetRules::find_dedup(std::vector<Unmet>* unmet) const {
  const std::int64_t* keys = batch_.dedup_keys + b_ * static_cast<std::size_t>(batch_.M);
  const auto key_at = [&](std::size_t n) { return at(n) < 0 ? -1 : keys[at(n)]; };
  for (std::size_t n = above_; n < slate_.size(); ++n) {
    if (key_at(n) == -1) continue;
    Unmet rule{UnmetRule::kDedup, "", 1, 0, {}};
    bool told = false;
    for (std::size_t other = 0; other < slate_.size(); ++other) {
      if (key_at(other) != key_at(n)) continue;
      told |= other >= above_ && other < n;
      rule.got += 1;
      if (other >= above_) rule.slots.push_back(page_slot(other));
    }
    if (rule.got > 1 && !told) unmet->push_back(std::move(rule));
  }
}

bool UnmetRules::has_flag(std::size_t flag, std::size_t slot) const {
  if (at(slot) < 0) return false;
  const auto row = b_ * static_cast<std::size_t>(batch_.M) + static_cast<std::size_t>(at(slot));
  const auto I = static_cast<std::size_t>(batch_.candidate_ids_width);
  return batch_.candidate_ids[row * I + contract_.flag_columns[flag]] > 0;
}

void UnmetRules::find_quota(std::size_t flag, std::vector<Unmet>* unmet) const {
  const std::int64_t* quota = batch_.quotas + 2 * (b_ * contract_.flags.size() + flag);
  const std::int64_t least = quota[0], most = quota[1];
  if (least <= 0 && most < 0) return;
  std::int64_t of_above = 0;
  Unmet rule{UnmetRule::kQuota, contract_.flags[flag], 0, 0, {}};
  for (std::size_t n = 0; n < slate_.size(); ++n) {
    if (!has_flag(flag, n)) continue;
    if (n < above_) {
      of_above += 1;
    } else {
      rule.slots.push_back(page_slot(n));
    }
  }
  rule.got = static_cast<std::int64_t>(rule.slots.size());
  const std::int64_t all = of_above + rule.got;
  if (all >= least && (most < 0 || all <= most)) return;
  rule.wanted = (all < least ? least : most) - of_above;
  unmet->push_back(std::move(rule));
}

// A run with too many of a group has its last member on the page, or is no fault of the page. The
// slots up to that member, as many as the window has, hold all members of the run.
void UnmetRules::find_spacing(std::size_t key, std::vector<Unmet>* unmet) const {
  const std::int64_t* spacing = batch_.spacing + 2 * (b_ * contract_.groups.size() + key);
  const std::int64_t window = spacing[0], cap = spacing[1];
  if (window <= 0) return;
  const auto M = static_cast<std::size_t>(batch_.M);
  const auto I = static_cast<std::size_t>(batch_.candidate_ids_width);
  const auto group_at = [&](std::size_t n) -> std::int64_t {
    if (at(n) < 0) return -1;
    const std::size_t row = b_ * M + static_cast<std::size_t>(at(n));
    return batch_.candidate_ids[row * I + contract_.group_columns[key]];
  };
  Unmet rule{UnmetRule::kSpacing, contract_.groups[key], cap, 0, {}};
  const auto width = static_cast<std::size_t>(std::min<std::int64_t>(window, batch_.N));
  for (std::size_t last = above_; last < slate_.size(); ++last) {
    const std::int64_t group = group_at(last);
    if (group < 0) continue;
    const std::size_t first = last + 1 > width ? last + 1 - width : 0;
    std::int64_t members = 0;
    for (std::size_t n = first; n <= last; ++n) members += group_at(n) == group;
    if (members <= cap) continue;
    rule.got = std::max(rule.got, members);
    for (std::size_t n = std::max(first, above_); n <= last; ++n) {
      if (group_at(n) == group) rule.slots.push_back(page_slot(n));
    }
  }
  if (rule.slots.empty()) return;
  std::sort(rule.slots.begin(), rule.slots.end());
  rule.slots.erase(std::unique(rule.slots.begin(), rule.slots.end()), rule.slots.end());
  unmet->push_back(std::move(rule));
}

}  // namespace gerank
