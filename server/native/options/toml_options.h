// server.toml: `option = value`, one per line, by the names of the table.
#pragma once

#include <gerank/status.h>

#include <string>
#include <string_view>

#include "server_options.h"

namespace gerank::server {

// Sets the options that a document names. kInvalidArgument, naming option and value, or the line
// that is no TOML; `options` is then unchanged.
Status read_toml(std::string_view document, ServerOptions* options);

// All options, as read_toml() takes them.
std::string to_toml(const ServerOptions& options);

// Reads a document from a file. kInvalidArgument also if the file cannot be read; names the file.
Status read_toml_file(const std::string& path, ServerOptions* options);

}  // namespace gerank::server
