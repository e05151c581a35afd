#include "python_query.h"

#include <pybind11/gil_safe_call_once.h>

#include <string>

#include "column_type.h"
#include "status_error.h"

namespace py = pybind11;

namespace gerank {
namespace {

[[noreturn]] void refuse(const std::string& field, py::handle value, const char* rule) {
  const auto shown = py::reinterpret_steal<py::object>(PyObject_ASCII(value.ptr()));
  if (!shown) throw py::error_already_set();
  raise_unless_ok(Status::invalid(field, shown.cast<std::string>(), rule));
  throw py::error_already_set();  // not reached
}

// A whole number, of Python or of numpy. bool is none, although Python derives it from int.
py::object whole(const std::string& field, py::handle value) {
  if (PyBool_Check(value.ptr()) || !PyIndex_Check(value.ptr())) {
    refuse(field, value, "must be an integer");
  }
  auto number = py::reinterpret_steal<py::object>(PyNumber_Index(value.ptr()));
  if (number) return number;
  PyErr_Clear();
  refuse(field, value, "must be an integer");
}

std::int64_t integer(const std::string& field, py::handle value) {
  int overflow = 0;
  const long long number = PyLong_AsLongLongAndOverflow(whole(field, value).ptr(), &overflow);
  if (overflow != 0) refuse(field, value, "must be a 64-bit integer");
  return number;
}

std::uint64_t seed_bits(py::handle value) {
  const unsigned long long bits = PyLong_AsUnsignedLongLong(whole("seed", value).ptr());
  if (PyErr_Occurred() == nullptr) return bits;
  PyErr_Clear();
  refuse("seed", value, "must be an integer in [0, 18446744073709551615]");
}

// Whether it is a number of Python, of numpy, or of whoever registered it as numbers.Real.
bool is_real(py::handle value) {
  if (PyBool_Check(value.ptr())) return false;
  if (PyFloat_Check(value.ptr()) || PyLong_Check(value.ptr())) return true;
  PYBIND11_CONSTINIT static py::gil_safe_call_once_and_store<py::object> real_numbers;
  return py::isinstance(value, real_numbers
                                   .call_once_and_store_result(
                                       [] { return py::module_::import("numbers").attr("Real"); })
                                   .get_stored());
}

double real(const std::string& field, py::handle value) {
  if (is_real(value)) {
    const auto number = py::reinterpret_steal<py::object>(PyNumber_Float(value.ptr()));
    if (number) return PyFloat_AsDouble(number.ptr());
    PyErr_Clear();  // an integer beyond every float, say
  }
  refuse(field, value, "must be a number");
}

bool truth(const char* field, py::handle value) {
  if (!PyBool_Check(value.ptr())) refuse(field, value, "must be true or false");
  return value.ptr() == Py_True;
}

std::string item(const char* list, std::size_t index, const char* part) {
  return std::string(list) + "[" + std::to_string(index) + "]." + part;
}

}  // namespace

PythonQuery::PythonQuery(const py::int_& candidate_count, const py::iterable& user_features,
                         const py::iterable& candidate_features, const py::iterable& candidate_ids,
                         const py::object& preset, const py::object& slots,
                         const py::iterable& pins, const py::object& dedup_keys,
                         const py::object& above, const py::iterable& spacing,
                         const py::iterable& quotas, const py::dict& weights,
                         const py::object& seed, const py::object& greedy,
                         const py::object& temperature) {
  query_.candidate_count = integer("candidates", candidate_count);
  read_features(user_features, &user_);
  read_features(candidate_features, &candidates_);
  query_.user_features = user_.blocks;
  query_.candidate_features = candidates_.blocks;
  read_ids(candidate_ids);
  if (!preset.is_none()) query_.preset = text("preset", preset);
  if (!slots.is_none()) query_.slots = integer("slots", slots);
  read_dedup_keys(dedup_keys, &query_.dedup_keys);
  read_above(above);
  read_rules(pins, spacing, quotas, weights);
  if (!seed.is_none()) query_.seed = seed_bits(seed);
  if (!greedy.is_none()) query_.greedy = truth("greedy", greedy);
  if (!temperature.is_none()) query_.temperature = real("temperature", temperature);
}

// The UTF-8 of a string, which the string keeps.
std::string_view PythonQuery::text(const char* field, py::handle value) {
  if (!PyUnicode_Check(value.ptr())) refuse(field, value, "must be a string");
  Py_ssize_t size = 0;
  const char* bytes = PyUnicode_AsUTF8AndSize(value.ptr(), &size);
  if (bytes == nullptr) {
    PyErr_Clear();
    refuse(field, value, "must be valid Unicode");
  }
  kept_.push_back(py::reinterpret_borrow<py::object>(value));
  return {bytes, static_cast<std::size_t>(size)};
}

const py::buffer_info& PythonQuery::buffer(py::handle value) {
  buffers_.push_back(py::reinterpret_borrow<py::buffer>(value).request());
  const py::buffer_info& info = buffers_.back();
  if (PyBuffer_IsContiguous(info.view(), 'C') == 0) {
    throw py::value_error("the numbers of a query must lie in one piece");
  }
  return info;
}

void PythonQuery::read_features(const py::iterable& given, Features* features) {
  for (const py::handle entry : given) {
    const auto [names, type, values] = entry.cast<std::tuple<py::list, std::string, py::object>>();
    auto& block_names = features->names.emplace_back();
    for (const py::handle name : names) block_names.push_back(text("features", name));
    const py::buffer_info& info = buffer(values);
    features->blocks.push_back(
        {{}, column_type(type), info.ptr, static_cast<std::size_t>(info.size * info.itemsize)});
  }
  for (std::size_t i = 0; i < features->blocks.size(); ++i) {
    features->blocks[i].names = features->names[i];
  }
}

void PythonQuery::read_ids(const py::iterable& ids) {
  for (const py::handle id : ids) ids_.push_back(text("candidate_ids", id));
  query_.candidate_ids = ids_;
}

void PythonQuery::read_above(const py::object& above) {
  if (above.is_none()) return;
  const auto [count, features, keys] =
      above.cast<std::tuple<py::object, py::iterable, py::object>>();
  query_.above.count = integer("above", count);
  read_features(features, &above_);
  query_.above.features = above_.blocks;
  read_dedup_keys(keys, &query_.above.dedup_keys);
}

void PythonQuery::read_dedup_keys(const py::object& given, std::optional<DedupKeys>* keys) {
  if (given.is_none()) return;
  const auto [values, present] = given.cast<std::tuple<py::object, py::object>>();
  DedupKeys read;
  const py::buffer_info& numbers = buffer(values);
  read.values = numbers.ptr;
  read.bytes = static_cast<std::size_t>(numbers.size * numbers.itemsize);
  if (!present.is_none()) {
    const py::buffer_info& marks = buffer(present);
    read.present = {static_cast<const bool*>(marks.ptr),
                    static_cast<std::size_t>(marks.size * marks.itemsize)};
  }
  *keys = read;
}

void PythonQuery::read_rules(const py::iterable& pins, const py::iterable& spacing,
                             const py::iterable& quotas, const py::dict& weights) {
  for (const py::handle entry : pins) {
    const auto [slot, candidate] = entry.cast<std::tuple<py::object, py::object>>();
    const std::string field = "pins." + py::str(slot).cast<std::string>();
    pins_.push_back({integer(field, slot), integer(field, candidate)});
  }
  for (const py::handle entry : spacing) {
    const auto [group, window, cap] = entry.cast<std::tuple<py::object, py::object, py::object>>();
    const std::size_t i = spacing_.size();
    spacing_.push_back({text(item("spacing", i, "group").c_str(), group),
                        integer(item("spacing", i, "window"), window),
                        integer(item("spacing", i, "cap"), cap)});
  }
  for (const py::handle entry : quotas) {
    const auto [flag, least, most] = entry.cast<std::tuple<py::object, py::object, py::object>>();
    const std::size_t i = quotas_.size();
    quotas_.push_back({text(item("quotas", i, "flag").c_str(), flag),
                       integer(item("quotas", i, "min"), least), std::nullopt});
    if (!most.is_none()) quotas_.back().max = integer(item("quotas", i, "max"), most);
  }
  for (const auto& [utility, value] : weights) {
    const std::string_view name = text("weights", utility);
    weights_.push_back({name, real("weights." + std::string(name), value)});
  }
  query_.pins = pins_;
  query_.spacing = spacing_;
  query_.quotas = quotas_;
  query_.weights = weights_;
}

}  // namespace gerank
