// What the log tells of an administrator's actions.
#pragma once

#include <gerank/status.h>

#include <string_view>

#include "../log/log.h"

namespace gerank::server {

// What somebody asked for, by which call.
struct AdminAction {
  std::string_view event;  // lives as long as the process
  std::string_view request_id;
  std::string_view model, version;
};

// Tells an action that was done (info, with a sentence that says so), or that was refused (warning,
// with the reason).
inline void tell(const AdminAction& action, const Status& status, std::string_view done) {
  Log::of_process().tell(status ? LogLevel::kInfo : LogLevel::kWarning, action.event,
                         status ? done : std::string_view(status.message()),
                         {{"request_id", action.request_id},
                          {"model", action.model},
                          {"version", action.version},
                          {"result", code_name(status.code())}});
}

}  // namespace gerank::server
