// The command line of gerank-server.
#pragma once

#include "options/server_options.h"

namespace gerank::server {

void print_help();

// The options as server.toml says, where --config names it, and what the flags say over it.
//
// Throws std::invalid_argument, which names the option, its value and the rule.
ServerOptions read_arguments(int argc, char** argv);

}  // namespace gerank::server
