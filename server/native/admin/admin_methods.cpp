#include "admin_methods.h"

#include <string>

#include "../grpc/status_table.h"
#include "../methods/instant.h"
#include "../methods/service_names.h"
#include "admin_log.h"
#include "admin_messages.h"
#include "load_method.h"

namespace gerank::server {
namespace {

CallStatus make_current(ModelCatalog& catalog, std::string_view message,
                        std::string_view request_id, std::string* answer) {
  VersionRequest request;
  LoadOutcome outcome;
  Status status = read_make_current_request(message, &request);
  if (status) status = catalog.make_current(request.name, request.version, &outcome);
  tell({"admin_make_current", request_id, status ? outcome.name : request.name,
        status ? outcome.version : request.version},
       status,
       "'" + outcome.version + "' of '" + outcome.name + "' is current instead of '" +
           outcome.previous_version + "'");
  if (status) *answer = write_make_current_response(outcome);
  return to_call_status(status, request_id);
}

CallStatus retire(ModelCatalog& catalog, std::string_view message, std::string_view request_id) {
  VersionRequest request;
  Status status = read_retire_request(message, &request);
  if (status) status = catalog.retire(request.name, request.version);
  tell({"admin_retire", request_id, request.name, request.version}, status,
       (request.version.empty() ? "all versions" : "'" + request.version + "'") + " of '" +
           request.name + "' are not published any more");
  return to_call_status(status, request_id);
}

CallStatus set_split(ModelCatalog& catalog, std::string_view message, std::string_view request_id,
                     std::string* answer) {
  SplitRequest request;
  Status status = read_split_request(message, &request);
  if (status) status = catalog.set_split(request.name, request.arms);
  std::string arms;
  for (const ArmOrder& arm : request.arms) {
    arms += (arms.empty() ? "" : ", ") + arm.arm + " (" + arm.version + ") by " +
            std::to_string(arm.weight);
  }
  tell({"admin_set_split", request_id, request.name, ""}, status,
       "'" + request.name + (arms.empty() ? "' is not split" : "' is split: " + arms));
  if (status) *answer = write_split_response(request);
  return to_call_status(status, request_id);
}

class AdminMethods final : public ServiceMethods {
 public:
  AdminMethods(ModelCatalog& catalog, LoadThread& loads, Loop& loop)
      : load_(loads, loop),
        make_current_([&catalog](auto message, auto request_id, auto* answer) {
          return make_current(catalog, message, request_id, answer);
        }),
        retire_([&catalog](auto message, auto request_id, auto*) {
          return retire(catalog, message, request_id);
        }),
        list_([&catalog](auto, auto, auto* answer) {
          *answer = write_list_response(catalog.models(), catalog.refused_loads());
          return CallStatus{};
        }),
        set_split_([&catalog](auto message, auto request_id, auto* answer) {
          return set_split(catalog, message, request_id, answer);
        }) {}

  void add_to(MethodTable& table) override {
    table.add(path_of(kAdminService, "Load"), load_);
    table.add(path_of(kAdminService, "MakeCurrent"), make_current_);
    table.add(path_of(kAdminService, "Retire"), retire_);
    table.add(path_of(kAdminService, "List"), list_);
    table.add(path_of(kAdminService, "SetSplit"), set_split_);
  }

 private:
  LoadMethod load_;
  InstantMethod make_current_, retire_, list_, set_split_;
};

}  // namespace

Served serve_admin(Engine& engine, RouteTable& routes, ModelCatalog& catalog, LoadThread& loads) {
  return {
      engine,
      routes,
      nullptr,
      {kAdminService},
      [&](Service&, Loop& loop) { return std::make_unique<AdminMethods>(catalog, loads, loop); },
      [&loads](Microseconds) { loads.stop(); }};
}

}  // namespace gerank::server
