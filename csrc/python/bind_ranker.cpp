#include "bind_ranker.h"

#include <gerank/contract.h>
#include <pybind11/stl.h>

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "call_content.h"
#include "padded_arrays.h"
#include "page_columns.h"
#include "python_model.h"
#include "python_query.h"
#include "status_error.h"

namespace py = pybind11;

namespace gerank {
namespace {

// The meaning of one of three words.
template <typename Meaning>
Meaning meaning_of(const std::string& field, const std::string& given,
                   const std::array<std::pair<const char*, Meaning>, 3>& words) {
  for (const auto& [word, meaning] : words) {
    if (given == word) return meaning;
  }
  throw py::value_error(field + ": must be " + words[0].first + ", " + words[1].first + " or " +
                        words[2].first + ", got '" + given + "'");
}

Device device_of(const std::string& given) {
  if (given == "cpu") return Device::kCpu;
  if (given == "cuda") return Device::kCuda;
  throw py::value_error("device: must be cpu or cuda, got '" + given + "'");
}

ModelOptions model_options(const std::string& implementation, const std::string& precision,
                           const std::string& device) {
  ModelOptions options;
  options.implementation =
      meaning_of<Implementation>("implementation", implementation,
                                 {{{"auto", Implementation::kAutomatic},
                                   {"native", Implementation::kNative},
                                   {"torchscript", Implementation::kTorchScript}}});
  options.precision = meaning_of<Precision>("precision", precision,
                                            {{{"auto", Precision::kAutomatic},
                                              {"float32", Precision::kFloat32},
                                              {"bfloat16", Precision::kBfloat16}}});
  options.device = device_of(device);
  if (const Status status = options.check(); !status) throw py::value_error(status.message());
  return options;
}

std::shared_ptr<Ranker> load(const std::string& path, const std::string& implementation,
                             const std::string& precision, const std::string& device) {
  const ModelOptions options = model_options(implementation, precision, device);
  std::shared_ptr<const Ranker> ranker;
  Status status;
  {
    const py::gil_scoped_release no_gil;
    status = Ranker::load(path, &ranker, options);
  }
  raise_unless_ok(status);
  return held(ranker);
}

std::shared_ptr<Ranker> over_function(const std::string& contract_json,
                                      const std::string& model_version, py::function function) {
  std::shared_ptr<const Ranker> ranker;
  raise_unless_ok(Ranker::make(contract_json, model_version,
                               std::make_unique<PythonModel>(std::move(function)), &ranker));
  return held(ranker);
}

std::vector<Query> views(const py::list& queries) {
  std::vector<Query> read;
  for (const py::handle query : queries) read.push_back(query.cast<const PythonQuery&>().query());
  return read;
}

py::tuple pad(const Contract& contract, const py::list& queries) {
  py::tuple arrays;
  raise_unless_ok(contract.pad(
      views(queries), [&arrays](const PaddedBatch& batch) { arrays = batch_arrays(batch); }));
  return arrays;
}

py::list rank(const Ranker& ranker, const py::list& queries) {
  const std::vector<Query> read = views(queries);
  std::vector<Slate> slates(read.size());
  Status status;
  {
    const py::gil_scoped_release no_gil;
    status = ranker.rank(read, slates);
  }
  raise_unless_ok(status);
  py::list out;
  for (const Slate& slate : slates) out.append(slate_tuple(slate));
  return out;
}

Contract parse_contract(const std::string& json) {
  Contract contract;
  raise_unless_ok(Contract::parse(json, &contract));
  return contract;
}

}  // namespace

void bind_ranker(py::module_& module) {
  py::class_<PythonQuery>(module, "Query")
      .def(py::init<const py::int_&, const py::iterable&, const py::iterable&, const py::iterable&,
                    const py::object&, const py::object&, const py::iterable&, const py::object&,
                    const py::object&, const py::iterable&, const py::iterable&, const py::dict&,
                    const py::object&, const py::object&, const py::object&>(),
           py::kw_only(), py::arg("candidate_count"), py::arg("user_features") = py::tuple(),
           py::arg("candidate_features") = py::tuple(), py::arg("candidate_ids") = py::tuple(),
           py::arg("preset") = py::none(), py::arg("slots") = py::none(),
           py::arg("pins") = py::tuple(), py::arg("dedup_keys") = py::none(),
           py::arg("above") = py::none(), py::arg("spacing") = py::tuple(),
           py::arg("quotas") = py::tuple(), py::arg("weights") = py::dict(),
           py::arg("seed") = py::none(), py::arg("greedy") = py::none(),
           py::arg("temperature") = py::none());

  py::class_<PageColumns>(module, "PageColumns")
      .def(py::init<const py::buffer&, const py::iterable&, const py::iterable&, const py::tuple&,
                    const py::object&, const py::list&>(),
           py::kw_only(), py::arg("candidate_offsets"), py::arg("user_features"),
           py::arg("candidate_features"), py::arg("candidate_ids"),
           py::arg("dedup_keys") = py::none(), py::arg("rules") = py::list())
      .def("__len__", &PageColumns::size);

  py::class_<Contract>(module, "Contract")
      .def(py::init(&parse_contract), py::arg("json"))
      .def("check",
           [](const Contract& contract, const PythonQuery& query) {
             raise_unless_ok(contract.check(query.query()));
           })
      .def("pad", &pad, py::arg("queries"));

  py::class_<Ranker, std::shared_ptr<Ranker>>(module, "Ranker")
      .def_static("load", &load, py::arg("path"), py::arg("implementation") = "auto",
                  py::arg("precision") = "auto", py::arg("device") = "cpu")
      .def_static("over_function", &over_function, py::arg("contract_json"),
                  py::arg("model_version"), py::arg("function"))
      .def_property_readonly("contract_json", &Ranker::contract_json)
      .def_property_readonly("model_version", &Ranker::model_version)
      .def_property_readonly("manifest_json", &Ranker::manifest_json)
      .def_property_readonly("implementation", &Ranker::implementation)
      .def_property_readonly("device", &Ranker::device)
      .def_property_readonly("precision", &Ranker::precision)
      .def_property_readonly("wanted_precision", &Ranker::wanted_precision)
      .def("rank_pages", &rank_pages, py::arg("pages"), py::arg("first"), py::arg("last"))
      .def("run", &run_arrays, py::arg("fields"))
      .def(
          "compare",
          [](const Ranker& ranker, const py::bytes& golden) {
            const std::string_view content = golden;
            Status status;
            {
              const py::gil_scoped_release no_gil;
              status = ranker.compare(content);
            }
            raise_unless_ok(status);
          },
          py::arg("golden"))
      .def("check", [](const Ranker& ranker,
                       const PythonQuery& query) { raise_unless_ok(ranker.check(query.query())); })
      .def("rank", &rank, py::arg("queries"));
}

}  // namespace gerank
