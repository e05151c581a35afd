#include "session.h"

#include <gerank/status.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <new>
#include <string>
#include <utility>

#include "answer_headers.h"
#include "session_callbacks.h"

namespace gerank::server {
namespace {

using std::chrono::seconds;

// All streams share this window. Their own windows bound what is held; this one need not stop them.
constexpr std::int32_t kConnectionWindow = 16 << 20;

// Resets per second that a client may go on with. A burst of them comes when many deadlines pass.
[[maybe_unused]] constexpr std::uint64_t kResetsPerSecond = 1000;

// One header block may have so many; the sizes of its headers bound it besides.
[[maybe_unused]] constexpr std::size_t kMostContinuations = 1024;

constexpr std::size_t kMostUnsentFrames = 1000;  // of a client that does not read
constexpr seconds kHandshake{20};                // until a client must have said its first word

// Answers are held back so long before the word that we leave, and at most so long behind it; see
// Session::leave.
constexpr std::chrono::milliseconds kHeldBefore{10}, kHeldBehind{20};

// The PINGs behind the word that we leave, one after the other. The answer to the first says that
// the word was read; but a client may write it before calls that it had begun until then. They have
// come when it has answered the second.
constexpr int kLeavingPings = 2;
constexpr std::uint8_t kLeaving[8] = {'l', 'e', 'a', 'v', 'i', 'n', 'g', 0};

constexpr std::uint32_t kAnyNumber = 0xffffffff;

constexpr int kPerCall = 8, kPerData = 2;  // frames that a client may send besides

struct Options {
  explicit Options(const Limits& limits) {
    if (nghttp2_option_new(&made) != 0) throw std::bad_alloc();
    nghttp2_option_set_no_auto_window_update(made, 1);
    nghttp2_option_set_no_closed_streams(made, 1);
#ifdef GERANK_HAS_RESET_RATE_LIMIT
    nghttp2_option_set_stream_reset_rate_limit(
        made, limits.max_calls_per_connection + kResetsPerSecond, kResetsPerSecond);
#endif
#ifdef GERANK_HAS_MAX_CONTINUATIONS
    nghttp2_option_set_max_continuations(made, kMostContinuations);
#endif
  }
  ~Options() { nghttp2_option_del(made); }

  nghttp2_option* made = nullptr;
};

ssize_t read_answer(nghttp2_session*, std::int32_t, std::uint8_t* to, std::size_t size,
                    std::uint32_t* flags, nghttp2_data_source* source, void*) {
  return static_cast<Stream*>(source->ptr)->read_answer(to, size, flags);
}

}  // namespace

Session::Session(StreamHost& host, Connection& connection)
    : host_(host),
      connection_(connection),
      budget_(host.budget, host.limits.connection_buffer_bytes),
      began_(std::chrono::steady_clock::now()),
      last_sent_(began_) {
  const Options options(host.limits);
  if (nghttp2_session_server_new2(&handle_, session_callbacks(), this, options.made) != 0) {
    throw std::bad_alloc();
  }
  const std::array<nghttp2_settings_entry, 3> settings{{
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, kAnyNumber},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, host.limits.max_header_bytes},
      {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
  }};
  nghttp2_submit_settings(handle_, NGHTTP2_FLAG_NONE, settings.data(), settings.size());
  nghttp2_session_set_local_window_size(handle_, NGHTTP2_FLAG_NONE, 0, kConnectionWindow);
}

Session::~Session() {
  for (auto& stream : streams_) {
    stream->close();
    host_.pool.give_back(std::move(stream));
  }
  nghttp2_session_del(handle_);
}

void Session::receive(std::string_view bytes) {
  if (failed_) return;
  const ssize_t read = nghttp2_session_mem_recv(
      handle_, reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  if (read == NGHTTP2_ERR_BAD_CLIENT_MAGIC) {
    connection_.tell_of_end("it does not speak HTTP/2");
    failed_ = true;
  } else if (read < 0) {
    // nghttp2 gives up for one other reason: a flood, be it of frames, settings or continuations.
    const bool is_ours = read == NGHTTP2_ERR_NOMEM || read == NGHTTP2_ERR_CALLBACK_FAILURE;
    end(is_ours ? NGHTTP2_INTERNAL_ERROR : NGHTTP2_ENHANCE_YOUR_CALM);
  }
  watch_deadlines();
}

void Session::send(std::string* out, std::size_t at_most) {
  while (out->size() < at_most) {
    const std::uint8_t* frames = nullptr;
    const ssize_t size = nghttp2_session_mem_send(handle_, &frames);
    if (size < 0) broken_ = true;
    if (size <= 0) break;
    const std::string_view bytes(reinterpret_cast<const char*>(frames), std::size_t(size));
    if (!std::exchange(announced_, true)) {
      announce_max_calls(bytes, out);
    } else {
      out->append(bytes);
    }
  }
  if (!out->empty()) last_sent_ = connection_.now();
  watch_deadlines();
}

// nghttp2 would end the connection, and all calls on it, where a client exceeds what nghttp2 has
// announced. So it announces nothing, and the limit is written over what it sends first: SETTINGS,
// whose first value this is.
void Session::announce_max_calls(std::string_view settings, std::string* out) {
  constexpr std::size_t kValueAt = 9 + 2;  // behind the frame's head and the setting's name
  const std::size_t begin = out->size();
  out->append(settings);
  for (std::size_t i = 0; i < 4; ++i) {
    (*out)[begin + kValueAt + i] = char(host_.limits.max_calls_per_connection >> (24 - 8 * i));
  }
}

bool Session::is_over() const {
  if (broken_) return true;
  return nghttp2_session_want_write(handle_) == 0 &&
         (failed_ || nghttp2_session_want_read(handle_) == 0);
}

bool Session::is_congested() const {
  return nghttp2_session_get_outbound_queue_size(handle_) > kMostUnsentFrames;
}

bool Session::tick(TimePoint now, TimePoint last_heard) {
  const Limits& limits = host_.limits;
  if (!heard_settings_) return now - began_ < kHandshake;
  if (last_heard > pinged_) pinged_ = {};
  if (pinged_ != TimePoint{}) {
    if (now - pinged_ >= limits.keepalive_timeout) return false;
  } else if (now - last_heard >= limits.keepalive) {
    nghttp2_submit_ping(handle_, NGHTTP2_FLAG_NONE, nullptr);
    pinged_ = now;
  }
  if (limits.max_connection_age.count() > 0 && now - began_ >= limits.max_connection_age) leave();
  if (leaving_ && now - leaving_since_ >= kLongestLeave) leave_now();
  if (is_stalled(now)) end(NGHTTP2_ENHANCE_YOUR_CALM);
  if (host_.budget.is_scarce()) end_stuck_messages(now);
  return true;
}

// Answers that nobody takes must not stand in the way of others.
bool Session::is_stalled(TimePoint now) const {
  if (!host_.budget.is_scarce() || now - last_sent_ < host_.limits.keepalive_timeout) return false;
  for (const auto& stream : streams_) {
    if (stream->unsent_size() > 0) return true;
  }
  return false;
}

// Nor may messages that do not come on: others wait for their room.
void Session::end_stuck_messages(TimePoint now) {
  const seconds patience = host_.limits.keepalive_timeout;
  for (const auto& stream : streams_) {
    if (!stream->is_stuck(now - patience)) continue;
    stream->refuse(int(Code::kResourceExhausted), "nothing more of the request came for " +
                                                      std::to_string(patience.count()) +
                                                      " s, and others wait for its room");
  }
}

void Session::leave() {
  if (leaving_) return;
  leaving_ = holds_answers_ = true;
  leaving_since_ = std::chrono::steady_clock::now();
  holding_ = std::make_unique<Timer>(host_.loop, [this] { tell_that_we_leave(); });
  holding_->start(std::uint64_t(kHeldBefore.count()));
}

void Session::tell_that_we_leave() {
  if (left_ || failed_) return;
  nghttp2_submit_shutdown_notice(handle_);
  connection_.wake();
  holding_ = std::make_unique<Timer>(host_.loop, [this] { release_answers(); });
  holding_->start(std::uint64_t(kHeldBehind.count()));
}

void Session::release_answers() {
  holds_answers_ = false;
  for (const std::int32_t id : std::exchange(held_, {})) {
    auto* const stream = static_cast<Stream*>(nghttp2_session_get_stream_user_data(handle_, id));
    if (stream != nullptr) answer(*stream);
  }
}

// nghttp2 sends what pings before what it was given earlier, so none is submitted with the word.
void Session::sent_goaway() {
  if (leaving_ && !left_) ask_whether_heard();
}

void Session::hear_ping(const std::uint8_t* payload) {
  pinged_ = {};
  if (!leaving_ || !std::equal(std::begin(kLeaving), std::end(kLeaving), payload)) return;
  if (++leaving_pings_heard_ < kLeavingPings) {
    ask_whether_heard();
  } else {
    leave_now();
  }
}

void Session::ask_whether_heard() {
  nghttp2_submit_ping(handle_, NGHTTP2_FLAG_NONE, kLeaving);
  connection_.wake();
}

void Session::leave_now() {
  if (left_) return;
  leaving_ = left_ = true;
  nghttp2_submit_goaway(handle_, NGHTTP2_FLAG_NONE,
                        nghttp2_session_get_last_proc_stream_id(handle_), NGHTTP2_NO_ERROR, nullptr,
                        0);
  connection_.wake();
  release_answers();
}

void Session::end(std::uint32_t error) {
  connection_.tell_of_end(nghttp2_http2_strerror(error));
  failed_ = true;
  nghttp2_session_terminate_session(handle_, error);
  connection_.wake();
}

gerank::TimePoint Session::now() { return connection_.now(); }

void Session::answer(Stream& stream) {
  if (holds_answers_) return held_.push_back(stream.id());
  if (stream.answering_) {
    nghttp2_session_resume_data(handle_, stream.id());
  } else if (stream.answers_.empty()) {
    AnswerHeaders headers;
    headers.add_head(stream.head());
    headers.add_status(stream.status_);
    nghttp2_submit_response(handle_, stream.id(), headers.data(), headers.size(), nullptr);
  } else {
    stream.answering_ = true;
    nghttp2_data_provider provider{{.ptr = &stream}, read_answer};
    AnswerHeaders headers;
    headers.add_head(stream.head());
    nghttp2_submit_response(handle_, stream.id(), headers.data(), headers.size(), &provider);
  }
  wake(stream);
}

void Session::answer_plainly(Stream& stream, std::string_view status) {
  const nghttp2_nv header = lasting_header(":status", status);
  nghttp2_submit_response(handle_, stream.id(), &header, 1, nullptr);
  host_.counts.not_grpc.add();
  stream.finished_ = true;
}

void Session::reset(Stream& stream, std::uint32_t error) {
  nghttp2_submit_rst_stream(handle_, NGHTTP2_FLAG_NONE, stream.id(), error);
  connection_.wake();
}

void Session::open_window(std::int32_t stream, std::size_t size) {
  nghttp2_session_set_local_window_size(handle_, NGHTTP2_FLAG_NONE, stream, std::int32_t(size));
}

void Session::give_window(Stream& stream, std::size_t size) {
  const bool is_conversation =
      stream.method_ != nullptr && stream.method_->kind() == Method::Kind::kConversation;
  if (is_conversation) nghttp2_session_consume_stream(handle_, stream.id(), size);
}

void Session::wake(Stream& stream) {
  if (stream.is_at_rest()) touched_.push_back(stream.id());
  connection_.wake();
}

void Session::watch_deadlines() {
  for (const std::int32_t id : touched_) {
    auto* const stream = static_cast<Stream*>(nghttp2_session_get_stream_user_data(handle_, id));
    if (stream != nullptr && stream->is_at_rest()) stream->watch_deadline();
  }
  touched_.clear();
}

Stream* Session::add(std::int32_t id) {
  if (streams_.size() >= host_.limits.max_calls_per_connection) {
    nghttp2_submit_rst_stream(handle_, NGHTTP2_FLAG_NONE, id, NGHTTP2_REFUSED_STREAM);
    host_.counts.streams_refused.add();
    return nullptr;
  }
  std::unique_ptr<Stream> stream = host_.pool.take();
  stream->open(*this, id);
  stream->place_ = streams_.size();
  streams_.push_back(std::move(stream));
  return streams_.back().get();
}

void Session::remove(Stream& stream) {
  const std::size_t place = stream.place_;
  stream.close();
  std::swap(streams_[place], streams_.back());
  streams_[place]->place_ = place;
  host_.pool.give_back(std::move(streams_.back()));
  streams_.pop_back();
}

void Session::charge(const nghttp2_frame_hd& frame) {
  const bool brings =
      frame.type == NGHTTP2_HEADERS ||
      (frame.type == NGHTTP2_DATA && (frame.length > 0 || (frame.flags & NGHTTP2_FLAG_END_STREAM)));
  if (brings) {
    allowance_.earn(frame.type == NGHTTP2_HEADERS ? kPerCall : kPerData);
  } else if (!failed_ && !allowance_.take(connection_.now())) {
    end(NGHTTP2_ENHANCE_YOUR_CALM);
  }
}

}  // namespace gerank::server
