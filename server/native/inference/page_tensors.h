// The tensors of one call, put into their places, and the queries that they are.
#pragma once

#include <gerank/contract.h>
#include <gerank/query.h>
#include <gerank/status.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "feature_tensor.h"
#include "tensor.h"
#include "tensor_list.h"

namespace gerank::server::inference {

// Holds views of the tensors and lists in the arena, as its queries do; all must outlive them.
//
// Letters: B pages, M candidates, A slots above a page.
class PageTensors {
 public:
  PageTensors(const Contract& contract, std::size_t pages, Arena& arena)
      : contract_(contract), arena_(arena), pages_(pages) {}

  // Puts one tensor into its place, if its name, datatype and shape fit it and those before it:
  // else kInvalidArgument names it.
  Status add(const Tensor& tensor);

  // Makes the query of one page when all tensors are in. kInvalidArgument for what tensors alone
  // can say wrongly, such as a count beyond an axis; the rest is for the engine to check.
  Status read_page(std::size_t page, Query* query) const;

  // The name of the page in an exposure log.
  std::string_view id_of(std::size_t page) const;

 private:
  // A tensor `spacing.NAME`, `quotas.NAME` or `weights.NAME`.
  struct RuleTensor {
    std::string_view name;
    Tensor tensor;
  };

  Status add_feature(const FeatureSide& side, std::string_view name, const Tensor& tensor,
                     Extent extent, List<FeatureTensor>* features);
  Status add_rule(std::string_view name, const Tensor& tensor, DataType type, Extent extent,
                  List<RuleTensor>* rules);
  Status add_part(const Tensor& tensor);

  // Whether the tensor has the axes of that extent; those that no tensor had before are set by it.
  // `width`, unless it is null, becomes the size of a further axis, else that must be 1.
  Status check_shape(const Tensor& tensor, Extent extent, std::size_t* width = nullptr);

  const Tensor* part(Part part) const;
  Status read_counts(std::size_t page, Query* query) const;
  Status read_count(Part part, std::size_t page, std::size_t most, std::size_t least,
                    std::size_t* count) const;
  void read_features(std::size_t page, Query* query) const;
  Status read_keys(Part keys, Part present, std::size_t first, std::size_t count,
                   std::optional<DedupKeys>* read) const;
  void read_settings(std::size_t page, Query* query) const;
  void read_pins(std::size_t page, Query* query) const;
  void read_rules(std::size_t page, Query* query) const;

  const Contract& contract_;
  Arena& arena_;
  const std::size_t pages_;                 // B
  std::size_t candidates_ = 0, above_ = 0;  // M and A; 0: no tensor has them
  List<FeatureTensor> user_features_, candidate_features_, above_features_;
  List<RuleTensor> spacing_, quotas_, weights_;
  std::array<std::optional<Tensor>, kParts.size()> parts_;
};

}  // namespace gerank::server::inference
