#include "admin_messages.h"

#include <algorithm>

#include "wire/protobuf_reader.h"
#include "wire/protobuf_writer.h"
#include "wire/utf8.h"

// The numbers of fields are those of protos/gerank/v1/admin.proto.

namespace gerank::server {
namespace {

Status no_message(std::string_view message, std::string_view type) {
  return Status::invalid("request", "'" + std::to_string(message.size()) + " other bytes'",
                         "must be a gerank.v1." + std::string(type));
}

Status read_version_request(std::string_view message, std::string_view type,
                            VersionRequest* request) {
  wire::FieldReader in(message);
  while (in.next()) {
    switch (in.tag()) {
      case wire::bytes_tag(1):
        request->name = in.text();
        break;
      case wire::bytes_tag(2):
        request->version = in.text();
        break;
      default:
        in.skip();
    }
  }
  return in.ok() ? Status() : no_message(message, type);
}

// A path is bytes, a text of protobuf's UTF-8.
std::string shown(std::string text) {
  if (wire::is_utf8(text)) return text;
  std::replace_if(text.begin(), text.end(), [](char each) { return (each & 0x80) != 0; }, '?');
  return text;
}

ArmOrder read_arm(wire::FieldReader& in) {
  ArmOrder arm;
  while (in.next()) {
    switch (in.tag()) {
      case wire::bytes_tag(1):
        arm.arm = in.text();
        break;
      case wire::bytes_tag(2):
        arm.version = in.text();
        break;
      case wire::varint_tag(3):
        arm.weight = std::uint32_t(in.varint());
        break;
      default:
        in.skip();
    }
  }
  return arm;
}

void write_differences(wire::FieldWriter& out, std::uint32_t field,
                       const std::vector<ContractDifference>& differences) {
  for (const ContractDifference& each : differences) {
    out.message(field, [&] {
      out.text(1, each.field);
      out.text(2, each.rule);
    });
  }
}

void write_model(wire::FieldWriter& out, const ListedModel& model) {
  out.text(1, model.published.name);
  out.text(2, model.published.version);
  out.text(3, shown(model.path));
  out.number(4, model.published.current);
  out.number(5, model.published.is_default);
  for (const ArmOrder& arm : model.arms) {
    out.message(6, [&] {
      out.text(1, arm.arm);
      out.text(2, arm.version);
      out.number(3, arm.weight);
    });
  }
  out.number(7, model.published.answered);
  out.number(8, model.published.failed);
  out.number(9, std::uint64_t(model.loaded_us));
  out.text(10, model.published.implementation);
  out.text(11, model.published.precision);
}

}  // namespace

Status read_load_request(std::string_view message, LoadOrder* order) {
  wire::FieldReader in(message);
  while (in.next()) {
    switch (in.tag()) {
      case wire::bytes_tag(1):
        order->name = in.text();
        break;
      case wire::bytes_tag(2):
        order->path = in.text();
        break;
      case wire::varint_tag(3):
        order->keep_current = in.varint() != 0;
        break;
      case wire::varint_tag(4):
        order->keep_old = in.varint() != 0;
        break;
      case wire::varint_tag(5):
        order->dry_run = in.varint() != 0;
        break;
      case wire::varint_tag(6):
        order->allow_breaking_contract = in.varint() != 0;
        break;
      default:
        in.skip();
    }
  }
  if (!in.ok()) return no_message(message, "LoadRequest");
  return order->path.empty() ? Status::invalid("path", "''", "must be the file of an artifact")
                             : Status();
}

Status read_make_current_request(std::string_view message, VersionRequest* request) {
  return read_version_request(message, "MakeCurrentRequest", request);
}

Status read_retire_request(std::string_view message, VersionRequest* request) {
  return read_version_request(message, "RetireRequest", request);
}

Status read_split_request(std::string_view message, SplitRequest* request) {
  wire::FieldReader in(message);
  while (in.next()) {
    switch (in.tag()) {
      case wire::bytes_tag(1):
        request->name = in.text();
        break;
      case wire::bytes_tag(2):
        in.message([&](wire::FieldReader& arm) { request->arms.push_back(read_arm(arm)); });
        break;
      default:
        in.skip();
    }
  }
  return in.ok() ? Status() : no_message(message, "SetSplitRequest");
}

std::string write_load_response(const LoadOutcome& outcome) {
  wire::FieldWriter out;
  out.text(1, outcome.version);
  out.text(2, outcome.previous_version);
  out.number(3, outcome.current);
  out.number(4, outcome.previous_published);
  write_differences(out, 5, outcome.differences);
  out.text(6, outcome.implementation);
  out.text(7, outcome.precision);
  return out.take();
}

std::string write_make_current_response(const LoadOutcome& outcome) {
  wire::FieldWriter out;
  out.text(1, outcome.version);
  out.text(2, outcome.previous_version);
  write_differences(out, 3, outcome.differences);
  return out.take();
}

std::string write_list_response(const std::vector<ListedModel>& models,
                                const std::vector<RefusedLoad>& refused) {
  wire::FieldWriter out;
  for (const ListedModel& model : models) {
    out.message(1, [&] { write_model(out, model); });
  }
  for (const RefusedLoad& each : refused) {
    out.message(2, [&] {
      out.text(1, each.name);
      out.text(2, shown(each.path));
      out.text(3, shown(each.error));
      out.number(4, std::uint64_t(each.time_us));
    });
  }
  return out.take();
}

std::string write_split_response(const SplitRequest& request) {
  std::uint64_t total = 0;
  for (const ArmOrder& arm : request.arms) total += arm.weight;
  wire::FieldWriter out;
  out.number(1, total);
  return out.take();
}

}  // namespace gerank::server
