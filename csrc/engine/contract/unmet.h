// The rules of a request that its finished slate does not satisfy.
#pragma once

#include <gerank/contract.h>
#include <gerank/model.h>
#include <gerank/query.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace gerank {

// Holds slates against the pins, dedup keys, quotas and spacing of their requests, as they stand in
// a padded batch. It looks at the finished slate alone: what was relaxed on the way, what pins
// forced and what a model of one's own overlooked are told alike.
class UnmetRules {
 public:
  // `b`: a request of the batch with `candidates` candidates. The first `above` slots stand above
  // its page and hold the padding behind those, whatever the model answered there. `slate` [N]: a
  // candidate per slot, checked from `above` on; -1 where there is none.
  UnmetRules(const Contract& contract, const PaddedBatch& batch, std::size_t b,
             std::int64_t candidates, std::size_t above, std::span<const std::int64_t> slate);

  // Appends one entry per rule that is not met.
  void find(std::vector<Unmet>* unmet) const;

 private:
  void find_pins(std::vector<Unmet>* unmet) const;
  void find_dedup(std::vector<Unmet>* unmet) const;
  void find_quota(std::size_t flag, std::vector<Unmet>* unmet) const;
  void find_spacing(std::size_t key, std::vector<Unmet>* unmet) const;
  std::int64_t at(std::size_t slot) const;
  bool has_flag(std::size_t flag, std::size_t slot) const;
  std::int32_t page_slot(std::size_t slot) const;

  const Contract& contract_;
  const PaddedBatch& batch_;
  const std::size_t b_, above_;
  const std::int64_t candidates_;
  const std::span<const std::int64_t> slate_;
};

}  // namespace gerank
