// What nghttp2 calls, for all sessions.
#pragma once

#include <nghttp2/nghttp2.h>

namespace gerank::server {

// Made once, for the whole process.
const nghttp2_session_callbacks* session_callbacks();

}  // namespace gerank::server
