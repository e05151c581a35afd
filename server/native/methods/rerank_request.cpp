#include "rerank_request.h"

#include <utility>

#include "wire/name_memo.h"
#include "wire/received_request.h"

namespace gerank::server {
namespace {

class RerankRequest final : public RankRequest {
 public:
  explicit RerankRequest(std::shared_ptr<wire::NameMemo> memo) : memo_(std::move(memo)) {}

  Status read(Engine& engine, std::string_view message, TimePoint deadline) override {
    return request_.read(engine, message, deadline, *memo_);
  }

  Call& call() override { return request_.call(); }
  std::string response() override { return request_.response(); }

  ExposedMessages exposed(std::string_view message, std::string_view answer) override {
    return {message, answer};
  }

  void clear() override { request_.clear(); }

 private:
  std::shared_ptr<wire::NameMemo> memo_;
  wire::ReceivedRequest request_;
};

}  // namespace

RankRequest::Maker rerank_requests() {
  return
      [memo = std::make_shared<wire::NameMemo>()] { return std::make_unique<RerankRequest>(memo); };
}

}  // namespace gerank::server
