#include "reflection.h"

#include <gerank/status.h>

#include <cstdint>

#include "../http2/stream.h"
#include "descriptor_index.h"
#include "service_names.h"
#include "wire/protobuf_reader.h"
#include "wire/protobuf_writer.h"

// The numbers of fields are those of protos/grpc/reflection/v1/reflection.proto.

namespace gerank::server {
namespace {

enum Question : std::uint32_t {
  kFileByName = 3,
  kFileBySymbol = 4,
  kFileByExtension = 5,
  kExtensionsOfType = 6,
  kServices = 7,
};

struct Request {
  std::string_view host;
  std::uint32_t question = 0;  // the field that was set last
  std::string_view value;
};

bool read(std::string_view message, Request* request) {
  wire::FieldReader in(message);
  while (in.next()) {
    const std::uint32_t field = in.tag() >> 3;
    const bool is_question = field >= kFileByName && field <= kServices;
    if (in.tag() == wire::bytes_tag(1)) {
      request->host = in.text();
    } else if (is_question && in.tag() == wire::bytes_tag(field)) {
      request->question = field;
      request->value = in.bytes();
    } else {
      in.skip();
    }
  }
  return in.ok();
}

void write_error(wire::FieldWriter& out, int code, std::string_view message) {
  out.message(7, [&] {
    out.number(1, std::uint64_t(code));
    out.text(2, message);
  });
}

void write_not_found(wire::FieldWriter& out, std::string_view name) {
  write_error(out, int(Code::kNotFound), "'" + std::string(name) + "' is not declared here");
}

void write_file(wire::FieldWriter& out, const DescriptorIndex::File* file, std::string_view name) {
  if (file == nullptr) return write_not_found(out, name);
  out.message(4, [&] {
    for (const auto* each : served_descriptors().with_imports(*file)) out.element(1, each->bytes);
  });
}

// None of our messages has extensions.
void write_extensions(wire::FieldWriter& out, std::string_view type) {
  if (served_descriptors().by_symbol(type) == nullptr) return write_not_found(out, type);
  out.message(5, [&] { out.text(1, type); });
}

void write_services(wire::FieldWriter& out, const Service& service) {
  out.message(6, [&] {
    const auto write = [&](std::string_view name) { out.message(1, [&] { out.text(1, name); }); };
    for (const auto name : service.names) write(name);
    for (const auto name : {kHealthService, kReflectionV1, kReflectionV1Alpha}) write(name);
  });
}

std::string answer_to(const Service& service, const Request& request, std::string_view message) {
  wire::FieldWriter out;
  out.text(1, request.host);
  out.element(2, message);
  switch (request.question) {
    case kFileByName:
      write_file(out, served_descriptors().by_name(request.value), request.value);
      break;
    case kFileBySymbol:
      write_file(out, served_descriptors().by_symbol(request.value), request.value);
      break;
    case kFileByExtension:
      write_error(out, int(Code::kNotFound), "there are no extensions here");
      break;
    case kExtensionsOfType:
      write_extensions(out, request.value);
      break;
    case kServices:
      write_services(out, service);
      break;
    default:
      write_error(out, int(Code::kInvalidArgument), "message_request: must be set");
  }
  return out.take();
}

}  // namespace

void ReflectionMethod::take(Stream& stream, MessageBytes message) {
  Request request;
  if (!read(message.view(), &request)) {
    return stream.finish(
        {int(Code::kInvalidArgument), "must be a ServerReflectionRequest of grpc.reflection", {}});
  }
  stream.send(answer_to(service_, request, message.view()));
}

void ReflectionMethod::end(Stream& stream) { stream.finish({}); }

}  // namespace gerank::server
