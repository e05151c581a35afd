#include "session_callbacks.h"

#include <cstdint>
#include <exception>
#include <memory>
#include <string_view>

#include "session.h"
#include "stream.h"

namespace gerank::server {
namespace {

// Header blocks of so many times the limit are no mistake: the connection ends.
constexpr std::size_t kFarAbove = 4;

std::string_view as_text(const std::uint8_t* bytes, std::size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

// nghttp2 is C: no exception may pass through it.
template <typename Action>
int guarded(const Action& action) {
  try {
    return action();
  } catch (const std::exception&) {
    return NGHTTP2_ERR_CALLBACK_FAILURE;
  }
}

}  // namespace

// Friend of Session.
struct SessionCallbacks {
  static Session& session(void* user) { return *static_cast<Session*>(user); }

  static Stream* stream(nghttp2_session* handle, std::int32_t id) {
    return static_cast<Stream*>(nghttp2_session_get_stream_user_data(handle, id));
  }

  static bool begins_call(const nghttp2_frame* frame) {
    return frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST;
  }

  static int on_begin_frame(nghttp2_session*, const nghttp2_frame_hd* head, void* user) {
    session(user).charge(*head);
    return 0;
  }

  static int on_begin_headers(nghttp2_session* handle, const nghttp2_frame* frame, void* user) {
    if (!begins_call(frame)) return 0;
    return guarded([&] {
      const std::int32_t id = frame->hd.stream_id;
      nghttp2_session_set_stream_user_data(handle, id, session(user).add(id));
      return 0;
    });
  }

  static int on_header(nghttp2_session* handle, const nghttp2_frame* frame,
                       const std::uint8_t* name, std::size_t name_size, const std::uint8_t* value,
                       std::size_t value_size, std::uint8_t, void* user) {
    Stream* const of = begins_call(frame) ? stream(handle, frame->hd.stream_id) : nullptr;
    if (of == nullptr) return 0;
    return guarded([&] {
      of->head().add(as_text(name, name_size), as_text(value, value_size));
      if (of->head().size() <= kFarAbove * session(user).host().limits.max_header_bytes) return 0;
      session(user).end(NGHTTP2_ENHANCE_YOUR_CALM);
      return int(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE);
    });
  }

  static int on_frame(nghttp2_session* handle, const nghttp2_frame* frame, void* user) {
    if (frame->hd.type == NGHTTP2_SETTINGS) session(user).heard_settings_ = true;
    if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK)) {
      session(user).hear_ping(frame->ping.opaque_data);
    }
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
    Stream* const of = stream(handle, frame->hd.stream_id);
    if (of == nullptr) return 0;
    return guarded([&] {
      if (begins_call(frame)) of->begin();
      if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) of->end_of_request();
      session(user).wake(*of);
      return 0;
    });
  }

  static int on_data(nghttp2_session* handle, std::uint8_t, std::int32_t id,
                     const std::uint8_t* bytes, std::size_t size, void* user) {
    nghttp2_session_consume_connection(handle, size);
    Stream* const of = stream(handle, id);
    if (of == nullptr) return 0;
    return guarded([&] {
      of->receive(as_text(bytes, size));
      session(user).give_window(*of, size);
      return 0;
    });
  }

  static int on_close(nghttp2_session* handle, std::int32_t id, std::uint32_t, void* user) {
    Stream* const of = stream(handle, id);
    if (of != nullptr) session(user).remove(*of);
    return 0;
  }

  static int on_sent(nghttp2_session* handle, const nghttp2_frame* frame, void* user) {
    if (frame->hd.type == NGHTTP2_GOAWAY) session(user).sent_goaway();
    // An answer that ends before its request: the caller need not send the rest.
    if (frame->hd.type != NGHTTP2_HEADERS || !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) return 0;
    const Stream* const of = stream(handle, frame->hd.stream_id);
    if (of != nullptr && !of->has_request_ended()) {
      nghttp2_submit_rst_stream(handle, NGHTTP2_FLAG_NONE, of->id(), NGHTTP2_NO_ERROR);
    }
    return 0;
  }
};

const nghttp2_session_callbacks* session_callbacks() {
  static const auto callbacks = [] {
    nghttp2_session_callbacks* made = nullptr;
    nghttp2_session_callbacks_new(&made);
    using Calls = SessionCallbacks;
    nghttp2_session_callbacks_set_on_begin_frame_callback(made, Calls::on_begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(made, Calls::on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(made, Calls::on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(made, Calls::on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(made, Calls::on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(made, Calls::on_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(made, Calls::on_sent);
    return made;
  }();
  return callbacks;
}

}  // namespace gerank::server
