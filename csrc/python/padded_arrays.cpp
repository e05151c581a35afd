#include "padded_arrays.h"

#include <pybind11/numpy.h>

#include <cstdint>
#include <string>
#include <vector>

#include "status_error.h"

namespace py = pybind11;

namespace gerank {
namespace {

using Shape = std::vector<py::ssize_t>;
template <typename T>
using Values = py::array_t<T, py::array::c_style>;

constexpr py::ssize_t kAny = -1;
constexpr std::size_t kFields = 14;

std::string text(const Shape& shape) {
  std::string out = "[";
  for (const py::ssize_t size : shape) {
    out += (out.size() > 1 ? ", " : "") + (size == kAny ? "any" : std::to_string(size));
  }
  return out + "]";
}

// The fields in their order, each of which must be an array of that type.
class Fields {
 public:
  explicit Fields(const py::tuple& fields) : fields_(fields) {
    if (fields.size() == kFields) return;
    throw py::value_error("fields: must be the 14 arrays of a RerankBatch, got " +
                          std::to_string(fields.size()));
  }

  template <typename T>
  Values<T> next(const char* name, const Shape& shape) {
    const py::object given = fields_[place_++];
    if (!py::isinstance<Values<T>>(given)) {
      throw py::value_error(std::string(name) + ": must be a contiguous array of " +
                            std::string(py::str(py::dtype::of<T>())) + ", got " +
                            std::string(py::str(py::type::of(given))));
    }
    auto values = py::reinterpret_borrow<Values<T>>(given);
    const Shape got(values.shape(), values.shape() + values.ndim());
    bool fits = got.size() == shape.size();
    for (std::size_t axis = 0; fits && axis < shape.size(); ++axis) {
      fits = shape[axis] == kAny || shape[axis] == got[axis];
    }
    if (fits) return values;
    throw py::value_error(std::string(name) + ": must have the shape " + text(shape) + ", got " +
                          text(got));
  }

 private:
  const py::tuple& fields_;
  std::size_t place_ = 0;
};

}  // namespace

py::tuple run_arrays(const Ranker& ranker, const py::tuple& given) {
  Fields fields(given);
  const auto user_dense = fields.next<float>("user_dense", {kAny, kAny});
  const py::ssize_t B = user_dense.shape(0);
  const auto user_ids = fields.next<std::int64_t>("user_ids", {B, kAny});
  const auto candidate_dense = fields.next<float>("candidate_dense", {B, kAny, kAny});
  const py::ssize_t M = candidate_dense.shape(1);
  const auto candidate_ids = fields.next<std::int64_t>("candidate_ids", {B, M, kAny});
  const auto mask = fields.next<bool>("candidate_mask", {B, M});
  const auto weights = fields.next<float>("weights", {B, kAny});
  const auto pins = fields.next<std::int64_t>("pins", {B, kAny});
  const py::ssize_t N = pins.shape(1);
  const auto dedup_keys = fields.next<std::int64_t>("dedup_keys", {B, M});
  const auto spacing = fields.next<std::int64_t>("spacing", {B, kAny, 2});
  const auto quotas = fields.next<std::int64_t>("quotas", {B, kAny, 2});
  const auto slots = fields.next<std::int64_t>("slots", {B});
  const auto temperature = fields.next<float>("temperature", {B});
  const auto seeds = fields.next<std::int64_t>("seeds", {B});
  const auto greedy = fields.next<bool>("greedy", {B});
  const PaddedBatch batch = {B,
                             M,
                             N,
                             user_dense.shape(1),
                             user_ids.shape(1),
                             candidate_dense.shape(2),
                             candidate_ids.shape(2),
                             spacing.shape(1),
                             quotas.shape(1),
                             weights.shape(1),
                             user_dense.data(),
                             user_ids.data(),
                             candidate_dense.data(),
                             candidate_ids.data(),
                             mask.data(),
                             weights.data(),
                             pins.data(),
                             dedup_keys.data(),
                             spacing.data(),
                             quotas.data(),
                             slots.data(),
                             temperature.data(),
                             seeds.data(),
                             greedy.data()};
  Values<std::int64_t> slates({B, N}), relaxed({B, N});
  Values<float> log_prob({B, N});
  const PaddedAnswer answer = {slates.mutable_data(), log_prob.mutable_data(),
                               relaxed.mutable_data()};
  Status status;
  {
    const py::gil_scoped_release no_gil;
    status = ranker.run(batch, answer);
  }
  raise_unless_ok(status);
  return py::make_tuple(slates, log_prob, relaxed);
}

}  // namespace gerank
