// The protos of the served services, which the build embeds.
#pragma once

#include <string_view>

namespace gerank::server {

// A serialized google.protobuf.FileDescriptorSet, with all imports.
std::string_view served_descriptor_set();

}  // namespace gerank::server
