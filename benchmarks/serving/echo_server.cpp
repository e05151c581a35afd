// The floor of a C++ gRPC server: takes any call and answers with the same bytes every time.
//
//   echo_server --answer FILE [--address 127.0.0.1:0]
//
// One thread, one completion queue, no protobuf. FILE holds the bytes of the answer. Prints
// "serving on PORT" and runs until it is killed.

#include <absl/synchronization/mutex.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>

#include <cstdio>
#include <exception>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "options.h"

namespace {

class EchoCall {
 public:
  EchoCall(grpc::AsyncGenericService& service, grpc::ServerCompletionQueue& queue,
           const grpc::ByteBuffer& answer)
      : service_(service), queue_(queue), answer_(answer) {
    await_call();
  }

  // Goes on after whatever this call waited for. `ok` is the completion queue's.
  void proceed(bool ok) {
    switch (step_) {
      case Step::kCall:
        if (!ok) return;  // the server is shutting down
        step_ = Step::kRequest;
        stream_->Read(&request_, this);
        return;
      case Step::kRequest:
        step_ = Step::kAnswer;
        stream_->WriteAndFinish(answer_, grpc::WriteOptions(), grpc::Status::OK, this);
        return;
      case Step::kAnswer:
        await_call();
    }
  }

 private:
  enum class Step { kCall, kRequest, kAnswer };

  void await_call() {
    step_ = Step::kCall;
    stream_.reset();
    context_.emplace();
    stream_.emplace(&*context_);
    service_.RequestCall(&*context_, &*stream_, &queue_, &queue_, this);
  }

  grpc::AsyncGenericService& service_;
  grpc::ServerCompletionQueue& queue_;
  const grpc::ByteBuffer& answer_;
  Step step_ = Step::kCall;
  std::optional<grpc::GenericServerContext> context_;
  std::optional<grpc::GenericServerAsyncReaderWriter> stream_;
  grpc::ByteBuffer request_;
};

grpc::ByteBuffer read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path);
  const std::string content{std::istreambuf_iterator<char>(file), {}};
  const grpc::Slice slice(content);
  return grpc::ByteBuffer(&slice, 1);
}

void serve(const serving::Options& options) {
  // As the native front does: Debian's abseil looks for deadlocks at every lock.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  const grpc::ByteBuffer answer = read_file(options.text("answer", ""));
  grpc::AsyncGenericService service;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(options.text("address", "127.0.0.1:0"),
                           grpc::InsecureServerCredentials(), &port);
  builder.RegisterAsyncGenericService(&service);
  const auto queue = builder.AddCompletionQueue();
  const auto server = builder.BuildAndStart();
  if (!server) throw std::runtime_error("cannot listen");
  std::printf("serving on %d\n", port);
  std::fflush(stdout);
  std::vector<std::unique_ptr<EchoCall>> calls;
  for (int i = 0; i < 128; ++i) {
    calls.push_back(std::make_unique<EchoCall>(service, *queue, answer));
  }
  void* tag = nullptr;
  bool ok = false;
  while (queue->Next(&tag, &ok)) static_cast<EchoCall*>(tag)->proceed(ok);
}

}  // namespace

int main(int argc, char** argv) try {
  serve(serving::Options(argc, argv));
} catch (const std::exception& error) {
  std::fprintf(stderr, "echo_server: %s\n", error.what());
  return 1;
}
