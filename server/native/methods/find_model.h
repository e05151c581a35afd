// The served model that a call asks about.
#pragma once

#include <gerank/ranker.h>
#include <gerank/status.h>

#include <memory>
#include <string_view>

#include "service.h"

namespace gerank::server {

// Sets `*ranker` if it is OK. kNotFound: no such model or version; kUnavailable: none is loaded
// yet, or the server is draining. Empty names as in Call.
Status find_model(const Service& service, std::string_view model, std::string_view version,
                  std::shared_ptr<const Ranker>* ranker);

}  // namespace gerank::server
