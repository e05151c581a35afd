// A mock recommendation engine that has its pages re-ranked by a gerank server.
//
//   cpp_client HOST:PORT PAGES IN_FLIGHT
//
// PAGES is what examples/cpp_embed/write_pages.py writes. Keeps IN_FLIGHT calls open, each with a
// deadline, and prints a line per page: slot:candidate:log_prob for every filled slot.

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "gerank/v1/rerank.grpc.pb.h"
#include "pages.h"
#include "wanted.h"

namespace {

using gerank::v1::RerankService;

// How long a page may wait for its slate. The server drops what it cannot begin in this time.
constexpr std::chrono::seconds kTimeout{10};

void set_deadline(grpc::ClientContext& context) {
  context.set_deadline(std::chrono::system_clock::now() + kTimeout);
}

void require(const grpc::Status& status) {
  if (!status.ok()) throw std::runtime_error(status.error_message());
}

Wanted ask_what_is_wanted(RerankService::Stub& server) {
  grpc::ClientContext context;
  set_deadline(context);
  gerank::v1::DescribeResponse description;
  require(server.Describe(&context, {}, &description));
  return read_wanted(description);
}

// One page on its way.
struct Call {
  std::size_t page;
  grpc::ClientContext context;
  grpc::Status status;
  gerank::v1::RerankResponse response;
  std::unique_ptr<grpc::ClientAsyncResponseReader<gerank::v1::RerankResponse>> reader;
};

void start(RerankService::Stub& server, const gerank::v1::RerankRequest& request, std::size_t page,
           grpc::CompletionQueue& queue) {
  auto call = std::make_unique<Call>();
  call->page = page;
  set_deadline(call->context);
  call->reader = server.AsyncRerank(&call->context, request, &queue);
  Call* tag = call.release();  // taken back from the queue
  tag->reader->Finish(&tag->response, &tag->status, tag);
}

std::unique_ptr<Call> await_one(grpc::CompletionQueue& queue) {
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  return std::unique_ptr<Call>(static_cast<Call*>(tag));
}

void print(const gerank::v1::Slate& slate) {
  for (int i = 0; i < slate.slots_size(); ++i) {
    std::printf("%d:%d:%.9g ", slate.slots(i), slate.candidates(i), double(slate.log_prob(i)));
  }
  std::printf("\n");
}

int run(const std::string& address, const char* file, std::size_t in_flight) {
  const auto channel = grpc::CreateChannel(address, grpc::InsecureChannelCredentials());
  const auto server = RerankService::NewStub(channel);
  std::ifstream in(file);
  if (!in) throw std::runtime_error(std::string("cannot read ") + file);
  const auto requests = read_pages(in, ask_what_is_wanted(*server));

  std::vector<gerank::v1::Slate> slates(requests.size());
  int failures = 0;
  grpc::CompletionQueue queue;
  std::size_t started = 0;
  while (started < std::min(in_flight, requests.size())) {
    start(*server, requests[started], started, queue);
    ++started;
  }
  for (std::size_t ended = 0; ended < requests.size(); ++ended) {
    const auto call = await_one(queue);
    if (started < requests.size()) {
      start(*server, requests[started], started, queue);
      ++started;
    }
    if (call->status.ok()) {
      slates[call->page] = call->response.slates(0);
    } else {
      ++failures;
      std::fprintf(stderr, "page %zu: %s\n", call->page, call->status.error_message().c_str());
    }
  }
  for (const auto& slate : slates) print(slate);
  return failures > 0;
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 4) throw std::runtime_error("usage: cpp_client HOST:PORT PAGES IN_FLIGHT");
  return run(argv[1], argv[2], std::size_t(std::max(1, std::atoi(argv[3]))));
} catch (const std::exception& error) {
  std::fprintf(stderr, "cpp_client: %s\n", error.what());
  return 1;
}
