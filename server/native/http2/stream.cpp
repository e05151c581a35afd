#include "stream.h"

#include <gerank/status.h>
#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "../grpc/gzip.h"
#include "../log/log.h"
#include "answer_headers.h"
#include "session.h"
#include "stream_host.h"

namespace gerank::server {
namespace {

constexpr std::size_t kShown = 200;  // bytes of what a caller sent, in a message to it

}  // namespace

void Stream::open(Session& session, std::int32_t id) {
  session_ = &session;
  id_ = id;
  session.host().counts.streams_opened.add();
}

void Stream::begin() {
  const Limits& limits = session_->host().limits;
  if (!head_.is_post()) return session_->answer_plainly(*this, "405");
  if (!head_.is_grpc()) return session_->answer_plainly(*this, "415");
  begun_ = true;
  if (head_.size() > limits.max_header_bytes) {
    return refuse(int(Code::kResourceExhausted), "the headers are larger than max (" +
                                                     std::to_string(head_.size()) + " vs. " +
                                                     std::to_string(limits.max_header_bytes) + ")");
  }
  const std::string_view refusal =
      session_->host().credentials.refusal_of(head_.path(), head_.authorization());
  method_ = session_->host().methods.find(head_.path());
  if (!refusal.empty()) return refuse_stranger(refusal);
  if (method_ == nullptr) {
    return refuse(kUnimplemented, "unknown method '" + head_.path().substr(0, kShown) + "'");
  }
  if (method_->kind() == Method::Kind::kUnary) {
    counted_ = true;
    session_->host().open_calls.fetch_add(1, std::memory_order_relaxed);
  }
  if (!head_.fault().empty()) return refuse(int(Code::kInvalidArgument), head_.fault());
  if (head_.encoding() == RequestHead::Encoding::kUnknown) {
    return refuse(kUnimplemented,
                  "grpc-encoding: must be identity or gzip, got '" + head_.encoding_name() + "'");
  }
  deadline_ = head_.deadline(session_->now());
}

// What the caller sent is not told, but for its request id.
void Stream::refuse_stranger(std::string_view refusal) {
  const std::string method =
      method_ != nullptr ? head_.path().substr(1) : std::string(kNoMethodLabel);
  Log::of_process().tell(
      LogLevel::kWarning, "call_refused",
      "a call of " + method + " by " + session_->peer() + " was refused: " + std::string(refusal),
      {{"request_id", request_id()},
       {"peer", session_->peer()},
       {"method", method},
       {"reason", refusal}});
  refuse(kUnauthenticated, std::string(refusal));
}

void Stream::receive(std::string_view data) {
  heard_ = session_->now();
  while (!finished_ && method_ != nullptr) {
    switch (reader_.read(&data)) {
      case MessageReader::Event::kMore:
        return count_early();
      case MessageReader::Event::kAnnounced:
        if (!announce()) return;
        break;
      case MessageReader::Event::kComplete:
        if (!complete()) return;
    }
  }
}

bool Stream::announce() {
  const std::size_t size = reader_.size(), most = session_->host().limits.max_message_bytes;
  const bool is_compressed = reader_.flag() == 1;
  if (reader_.flag() > 1 || (is_compressed && head_.encoding() != RequestHead::Encoding::kGzip)) {
    refuse(int(Code::kInternal),
           "the compressed-flag of a message must be 0, or 1 with an encoding, got " +
               std::to_string(reader_.flag()));
  } else if (size > most) {
    finish(too_large(size, most));
  } else if (has_only_) {
    refuse(kUnimplemented, "the method takes one message, got more");
  } else if (!let_in()) {
    if (size <= kSmallMessage) {
      finish(no_room());
    } else {
      waits_ = true;
      early_ = Holding(session_->budget(), HeldFor::kEarly);
      place_in_line_ = session_->host().line.add(*this);
    }
  }
  return !finished_;
}

bool Stream::let_in() {
  const std::size_t size = reader_.size();
  Holding holding;
  if (!session_->budget().let_in(std::int64_t(size), &holding)) return false;
  reader_.give_room(MessageBytes(size, std::move(holding)));
  if (size > kSmallMessage) session_->open_window(id_, size + 5);
  return true;
}

void Stream::try_to_let_in() {
  if (!let_in()) return;
  heard_ = session_->now();  // it could not send before
  early_ = {};
  waits_ = false;
  session_->host().line.remove(place_in_line_);
  session_->wake(*this);
}

void Stream::count_early() {
  if (!waits_) return;
  early_.add(std::int64_t(reader_.early_size()) - early_.size());
  if (session_->budget().is_exceeded()) finish(no_room());
}

bool Stream::complete() {
  const bool is_compressed = reader_.flag() == 1;
  MessageBytes message = reader_.take();
  if (is_compressed) {
    MessageBytes inflated;
    CallStatus status = inflate(message.view(), session_->host().limits.max_message_bytes,
                                session_->budget(), &inflated);
    if (status.code != 0) {
      finish(std::move(status));
      return false;
    }
    message = std::move(inflated);
  }
  if (method_->kind() == Method::Kind::kConversation) {
    handed_over_ = true;
    method_->take(*this, std::move(message));
  } else {
    only_ = std::move(message);
    has_only_ = true;
  }
  return !finished_;
}

void Stream::end_of_request() {
  request_ended_ = true;
  if (finished_ || method_ == nullptr) return;
  if (!reader_.is_between_messages()) {
    return refuse(int(Code::kInternal), "the request ended within a message");
  }
  if (method_->kind() == Method::Kind::kConversation) return method_->end(*this);
  if (!has_only_) return refuse(kUnimplemented, "the method takes one message, got none");
  handed_over_ = true;
  method_->take(*this, std::move(only_));
}

void Stream::send(std::string message) {
  if (session_ == nullptr || finished_) return;
  if (method_->kind() == Method::Kind::kConversation && session_->budget().is_exceeded()) {
    return finish(no_room());
  }
  Answer answer{{0}, std::move(message)};
  const std::size_t size = answer.message.size();
  for (int i = 0; i < 4; ++i) answer.prefix[4 - i] = char(size >> (8 * i));
  if (unsent_.size() == 0) unsent_ = Holding(session_->budget(), HeldFor::kLarge);
  unsent_.add(std::int64_t(size));
  answers_.push_back(std::move(answer));
  session_->answer(*this);
}

void Stream::finish(CallStatus status) {
  if (session_ == nullptr || finished_) return;
  if (method_ != nullptr && !handed_over_) method_->refused(status.code);
  count_ended(status.code);
  finished_ = true;
  status_ = std::move(status);
  if (waits_) session_->host().line.remove(place_in_line_);
  waits_ = false;
  early_ = {};
  reader_.clear();
  only_.clear();
  session_->answer(*this);
}

void Stream::count_ended(int code) {
  EndedCalls& ended = method_ != nullptr ? method_->ended : session_->host().counts.no_method;
  ended[std::size_t(code)].add();
}

void Stream::refuse(int code, std::string message) { finish({code, std::move(message), {}}); }

std::ptrdiff_t Stream::read_answer(std::uint8_t* to, std::size_t size, std::uint32_t* flags) {
  std::size_t written = 0;
  while (next_answer_ < answers_.size() && written < size) {
    const Answer& answer = answers_[next_answer_];
    const std::string_view prefix(answer.prefix, sizeof answer.prefix), message = answer.message;
    std::string_view part = sent_of_next_ < prefix.size()
                                ? prefix.substr(sent_of_next_)
                                : message.substr(sent_of_next_ - prefix.size());
    part = part.substr(0, size - written);
    std::memcpy(to + written, part.data(), part.size());
    written += part.size();
    sent_of_next_ += part.size();
    if (sent_of_next_ < prefix.size() + message.size()) continue;
    ++next_answer_;
    sent_of_next_ = 0;
  }
  if (next_answer_ < answers_.size()) return std::ptrdiff_t(written);
  answers_.clear();
  next_answer_ = 0;
  unsent_ = {};
  if (!finished_)
    return written > 0 ? std::ptrdiff_t(written) : std::ptrdiff_t(NGHTTP2_ERR_DEFERRED);
  *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
  AnswerHeaders trailers;
  trailers.add_status(status_);
  nghttp2_submit_trailer(session_->handle(), id_, trailers.data(), trailers.size());
  return std::ptrdiff_t(written);
}

bool Stream::is_stuck(TimePoint since) const {
  const bool holds = has_only_ || !reader_.is_between_messages();
  return holds && !waits_ && !finished_ && !request_ended_ && heard_ <= since;
}

bool Stream::is_at_rest() const { return deadline_ != kNever && !watched_; }

void Stream::watch_deadline() {
  watched_ = true;
  session_->host().deadlines.add(*this);
}

void Stream::expire() {
  watched_ = false;
  if (finished_) return session_->reset(*this, NGHTTP2_CANCEL);
  if (state != nullptr) method_->closed(*this);
  state = nullptr;
  refuse(int(Code::kDeadlineExceeded), "the deadline passed before the call was answered");
}

void Stream::close() {
  if (begun_ && !finished_) count_ended(int(Code::kCancelled));
  session_->host().counts.streams_closed.add();
  if (state != nullptr) method_->closed(*this);
  state = nullptr;
  if (watched_) session_->host().deadlines.remove(*this);
  if (waits_) session_->host().line.remove(place_in_line_);
  if (counted_) session_->host().open_calls.fetch_sub(1, std::memory_order_relaxed);
  head_.clear();
  reader_.clear();
  only_.clear();
  early_ = {};
  unsent_ = {};
  answers_.clear();
  next_answer_ = sent_of_next_ = 0;
  deadline_ = kNever;
  method_ = nullptr;
  has_only_ = begun_ = request_ended_ = handed_over_ = counted_ = waits_ = watched_ = false;
  answering_ = finished_ = false;
  session_ = nullptr;
}

std::unique_ptr<Stream> StreamPool::take() {
  if (at_rest_.empty()) return std::make_unique<Stream>();
  std::unique_ptr<Stream> stream = std::move(at_rest_.back());
  at_rest_.pop_back();
  return stream;
}

void StreamPool::give_back(std::unique_ptr<Stream> stream) {
  constexpr std::size_t kMostAtRest = 1024;
  if (at_rest_.size() < kMostAtRest) at_rest_.push_back(std::move(stream));
}

}  // namespace gerank::server
