#include "model_facts.h"

#include <gerank/engine.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "../grpc/status_table.h"
#include "../methods/find_model.h"
#include "tensor_list.h"
#include "wire/protobuf_reader.h"
#include "wire/protobuf_writer.h"

// The numbers of fields are those of protos/inference/grpc_service.proto.

namespace gerank::server::inference {
namespace {

using wire::FieldWriter;

constexpr std::string_view kPlatform = "gerank";

// ModelReadyRequest, ModelMetadataRequest and ModelConfigRequest say the same.
struct ModelQuestion {
  std::string_view name, version;
};

Status read(std::string_view message, ModelQuestion* question) {
  wire::FieldReader in(message);
  while (in.next()) {
    if (in.tag() == wire::bytes_tag(1)) {
      question->name = in.text();
    } else if (in.tag() == wire::bytes_tag(2)) {
      question->version = in.text();
    } else {
      in.skip();
    }
  }
  if (in.ok()) return {};
  return Status::invalid("request", "'" + std::to_string(message.size()) + " other bytes'",
                         "must be the method's message of package inference");
}

// A served model, and the name under which it is.
struct Model {
  std::string name;
  std::vector<std::string> versions;
  std::shared_ptr<const Ranker> ranker;
};

Status find(const Service& service, const ModelQuestion& question, Model* model) {
  Status status = find_model(service, question.name, question.version, &model->ranker);
  if (!status) return status;
  for (const PublishedModel& each : service.engine.models()) {
    if (question.name.empty() ? !each.is_default : each.name != question.name) continue;
    model->name = each.name;
  }
  for (const PublishedModel& each : service.engine.models()) {
    if (each.name == model->name) model->versions.push_back(each.version);
  }
  return {};
}

// Answers a question about one model with what `write` writes of it.
template <typename Write>
CallStatus tell(const Service& service, std::string_view message, std::string_view request_id,
                std::string* answer, const Write& write) {
  ModelQuestion question;
  Model model;
  Status status = read(message, &question);
  if (status) status = find(service, question, &model);
  if (!status) return to_call_status(status, request_id);
  FieldWriter out;
  write(out, model);
  *answer = out.take();
  return {};
}

void write_sizes(FieldWriter& out, std::uint32_t field, const std::vector<std::int64_t>& sizes,
                 std::size_t first) {
  out.message(field, [&] {  // packed
    for (std::size_t i = first; i < sizes.size(); ++i) out.varint(std::uint64_t(sizes[i]));
  });
}

void write_metadata(FieldWriter& out, std::uint32_t field, const std::vector<ToldTensor>& tensors) {
  for (const ToldTensor& tensor : tensors) {
    out.message(field, [&] {
      out.text(1, tensor.name);
      out.text(2, name_of(tensor.type));
      write_sizes(out, 3, tensor.shape, 0);
    });
  }
}

CallStatus tell_truth(bool truth, std::string* answer) {
  FieldWriter out;
  out.number(1, truth);
  *answer = out.take();
  return {};
}

}  // namespace

CallStatus server_live(std::string* answer) { return tell_truth(true, answer); }

CallStatus server_ready(const Service& service, std::string* answer) {
  return tell_truth(service.serving, answer);
}

CallStatus model_ready(const Service& service, std::string_view message,
                       std::string_view request_id, std::string* answer) {
  ModelQuestion question;
  if (Status status = read(message, &question); !status) return to_call_status(status, request_id);
  const bool is_served = service.engine.find(question.name, question.version) != nullptr;
  return tell_truth(service.serving && is_served, answer);
}

CallStatus server_metadata(std::string* answer) {
  FieldWriter out;
  out.text(1, "gerank-server");
  out.text(2, GERANK_VERSION);
  out.element(3, "model_configuration");
  *answer = out.take();
  return {};
}

CallStatus model_metadata(const Service& service, std::string_view message,
                          std::string_view request_id, std::string* answer) {
  return tell(service, message, request_id, answer, [](FieldWriter& out, const Model& model) {
    out.text(1, model.name);
    for (const std::string& version : model.versions) out.element(2, version);
    out.text(3, kPlatform);
    write_metadata(out, 4, inputs_of(model.ranker->contract()));
    write_metadata(out, 5, outputs());
  });
}

CallStatus model_config(const Service& service, std::string_view message,
                        std::string_view request_id, std::string* answer) {
  const std::size_t most = service.engine.options().max_queries;
  return tell(service, message, request_id, answer, [most](FieldWriter& out, const Model& model) {
    out.message(1, [&] {
      out.text(1, model.name);
      out.text(2, kPlatform);
      out.number(4, most);
      for (const ToldTensor& input : inputs_of(model.ranker->contract())) {
        out.message(5, [&] {
          out.text(1, input.name);
          out.number(2, std::uint64_t(input.type));
          write_sizes(out, 4, input.shape, 1);
          out.number(8, input.is_optional);
        });
      }
      for (const ToldTensor& output : outputs()) {
        out.message(6, [&] {
          out.text(1, output.name);
          out.number(2, std::uint64_t(output.type));
          write_sizes(out, 3, output.shape, 1);
        });
      }
      out.text(17, kPlatform);
    });
  });
}

CallStatus repository_index(const Service& service, std::string* answer) {
  FieldWriter out;
  for (const PublishedModel& model : service.engine.models()) {
    out.message(1, [&] {
      out.text(1, model.name);
      out.text(2, model.version);
      out.text(3, service.draining ? "UNAVAILABLE" : "READY");
      if (service.draining) out.text(4, "the server is draining");
    });
  }
  *answer = out.take();
  return {};
}

}  // namespace gerank::server::inference
