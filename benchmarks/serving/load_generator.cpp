// Sends unary gRPC calls of ready-made bytes and tells how long the answers took, as JSON.
//
//   load_generator --target HOST:PORT --payloads FILE --seconds S
//                  (--in-flight N | --rate R)
//                  [--warmup S] [--connections C] [--deadline-ms D] [--seed K] [--method PATH]
//                  [--authority FILE]
//
// --authority: the certificate, in PEM, that signed the server's: the calls go over TLS.
// Closed loop (--in-flight): N calls are open all the time; latency is from the start of a call.
// Open loop (--rate): calls start by a Poisson process of R per second, whether or not earlier ones
// were answered, and latency is from the moment a call was meant to start: a server that stalls, or
// a generator that comes late, shows. FILE: for each payload its length as uint32 and its bytes.

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "options.h"

namespace {

using Clock = std::chrono::steady_clock;
using Instant = Clock::time_point;

Instant after(Instant start, double seconds) {
  return start +
         std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

std::string read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::shared_ptr<grpc::ChannelCredentials> credentials(const serving::Options& options) {
  const std::string authority = options.text("authority", "");
  if (authority.empty()) return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions tls;
  tls.pem_root_certs = read_text(authority);
  return grpc::SslCredentials(tls);
}

std::vector<grpc::ByteBuffer> read_payloads(const std::string& path) {
  const std::string content = read_text(path);
  std::vector<grpc::ByteBuffer> payloads;
  for (size_t at = 0; at + 4 <= content.size();) {
    uint32_t length = 0;
    std::memcpy(&length, content.data() + at, 4);
    if (at + 4 + length > content.size()) throw std::runtime_error(path + " ends too early");
    const grpc::Slice slice(content.data() + at + 4, length);
    payloads.emplace_back(&slice, 1);
    at += 4 + length;
  }
  if (payloads.empty()) throw std::runtime_error("no payloads in " + path);
  return payloads;
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) { return double(t.tv_sec) + 1e-6 * double(t.tv_usec); };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

struct Call {
  Instant start;  // intended
  grpc::ByteBuffer answer;
  grpc::Status status;
  std::unique_ptr<grpc::ClientContext> context;
  std::unique_ptr<grpc::GenericClientAsyncResponseReader> reader;
};

// What came back in the measured window.
struct Results {
  std::vector<float> latency_us;      // of OK answers
  std::array<int64_t, 17> by_code{};  // calls per status code
  int64_t with_retry_info = 0;        // refusals that tell when to come back
  int64_t answer_bytes = 0;

  void record(const Call& call, Instant now) {
    const auto code = std::min<size_t>(size_t(call.status.error_code()), by_code.size() - 1);
    ++by_code[code];
    if (call.status.ok()) {
      const std::chrono::duration<float, std::micro> taken = now - call.start;
      latency_us.push_back(taken.count());
      answer_bytes += int64_t(call.answer.Length());
    } else if (call.status.error_details().find("google.rpc.RetryInfo") != std::string::npos) {
      ++with_retry_info;
    }
  }
};

class LoadGenerator {
 public:
  explicit LoadGenerator(const serving::Options& options)
      : method_(options.text("method", "/gerank.v1.RerankService/Rerank")),
        payloads_(read_payloads(options.text("payloads", ""))),
        deadline_ms_(options.number("deadline-ms", 0)),
        warmup_(options.number("warmup", 1)),
        seconds_(options.number("seconds", 5)),
        random_(uint64_t(options.number("seed", 1))) {
    const int connections = int(options.number("connections", 2));
    for (int i = 0; i < connections; ++i) {
      grpc::ChannelArguments arguments;
      arguments.SetInt("connection", i);  // else channels of equal arguments share a connection
      arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
      auto channel =
          grpc::CreateCustomChannel(options.text("target", ""), credentials(options), arguments);
      if (!channel->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(10))) {
        throw std::runtime_error("cannot connect to " + options.text("target", ""));
      }
      stubs_.push_back(std::make_unique<grpc::GenericStub>(channel));
    }
  }

  void run_closed(int in_flight) {
    begin();
    for (int i = 0; i < in_flight; ++i) start(new Call, Clock::now());
    receive([this](Call* call, Instant now) {
      if (now < end_) {
        start(call, now);
      } else {
        delete call;
      }
    });
  }

  void run_open(double rate) {
    begin();
    std::thread sender([this, rate] { send_at(rate); });
    receive([](Call* call, Instant) { delete call; });
    sender.join();
  }

  void print() {
    const double taken = std::chrono::duration<double>(end_ - measured_from_).count();
    auto& latency = results_.latency_us;
    std::sort(latency.begin(), latency.end());
    int64_t calls = 0;
    for (const int64_t count : results_.by_code) calls += count;
    std::printf("{\"seconds\": %.3f, \"calls\": %ld, \"ok\": %zu, \"calls_per_s\": %.1f, ", taken,
                long(calls), latency.size(), double(latency.size()) / taken);
    std::printf("\"calls_with_warmup\": %ld, ", long(started_));
    std::printf("\"client_cpu_us_per_call\": %.2f, \"retry_info\": %ld, \"answer_bytes\": %ld, ",
                1e6 * (cpu_to_ - cpu_from_) / double(std::max<int64_t>(calls, 1)),
                long(results_.with_retry_info), long(results_.answer_bytes));
    for (const auto& [name, share] : {std::pair{"p50_us", 0.5},
                                      {"p90_us", 0.9},
                                      {"p99_us", 0.99},
                                      {"p999_us", 0.999},
                                      {"max_us", 1.0}}) {
      std::printf("\"%s\": %.1f, ", name, quantile(share));
    }
    std::printf("\"late_start_max_us\": %.1f, \"codes\": {", max_late_us_);
    const char* separator = "";
    for (size_t code = 0; code < results_.by_code.size(); ++code) {
      if (results_.by_code[code] == 0) continue;
      std::printf("%s\"%zu\": %ld", separator, code, long(results_.by_code[code]));
      separator = ", ";
    }
    std::printf("}, \"quantiles_us\": [");
    for (int i = 0; i <= 400; ++i) {  // evenly in "nines": 1 - 10^(-i/100)
      std::printf("%s%.1f", i == 0 ? "" : ", ", quantile(1 - std::pow(10, -i / 100.0)));
    }
    std::printf("]}\n");
  }

 private:
  void begin() {
    begin_ = Clock::now();
    measured_from_ = after(begin_, warmup_);
    end_ = after(measured_from_, seconds_);
  }

  void start(Call* call, Instant intended) {
    call->start = intended;
    call->context = std::make_unique<grpc::ClientContext>();
    if (deadline_ms_ > 0) {
      call->context->set_deadline(std::chrono::system_clock::now() +
                                  std::chrono::microseconds(int64_t(1e3 * deadline_ms_)));
    }
    const uint64_t turn = started_++;
    auto& stub = *stubs_[turn % stubs_.size()];
    open_.fetch_add(1, std::memory_order_relaxed);
    call->reader = stub.PrepareUnaryCall(call->context.get(), method_,
                                         payloads_[turn % payloads_.size()], &queue_);
    call->reader->StartCall();
    call->reader->Finish(&call->answer, &call->status, call);
  }

  // The open loop's sender: sleeps until each arrival, and sends at once whatever is overdue.
  void send_at(double rate) {
    prctl(PR_SET_TIMERSLACK, 1000UL);  // nanoseconds
    std::exponential_distribution<double> gap(rate);
    Instant next = begin_;
    while (next < end_) {
      std::this_thread::sleep_until(next);
      const std::chrono::duration<double, std::micro> late = Clock::now() - next;
      if (next > measured_from_) max_late_us_ = std::max(max_late_us_, late.count());
      start(new Call, next);
      next = after(next, gap(random_));
    }
    sent_all_.store(true);
  }

  // Takes answers until the window is over and every call has ended.
  template <typename Next>
  void receive(Next next) {
    void* tag = nullptr;
    bool ok = false;
    while (!finished()) {
      const auto wait = std::chrono::system_clock::now() + std::chrono::milliseconds(20);
      if (queue_.AsyncNext(&tag, &ok, wait) != grpc::CompletionQueue::GOT_EVENT) continue;
      open_.fetch_sub(1, std::memory_order_relaxed);
      auto* call = static_cast<Call*>(tag);
      const Instant now = Clock::now();
      mark_cpu(now);
      if (call->start >= measured_from_ && call->start < end_) results_.record(*call, now);
      next(call, now);
    }
    if (cpu_to_ == 0) cpu_to_ = cpu_seconds();
  }

  bool finished() const {
    const Instant now = Clock::now();
    if (now < end_) return false;
    return open_.load() == 0 || now > after(end_, 30);  // an unanswered call does not hang us
  }

  void mark_cpu(Instant now) {
    if (cpu_from_ == 0 && now >= measured_from_) cpu_from_ = cpu_seconds();
    if (cpu_to_ == 0 && now >= end_) cpu_to_ = cpu_seconds();
  }

  double quantile(double share) const {
    const auto& latency = results_.latency_us;
    if (latency.empty()) return 0;
    const auto index = size_t(std::ceil(share * double(latency.size())));
    return latency[std::min(std::max<size_t>(index, 1), latency.size()) - 1];
  }

  const std::string method_;
  std::vector<grpc::ByteBuffer> payloads_;
  const double deadline_ms_, warmup_, seconds_;
  std::mt19937_64 random_;
  std::vector<std::unique_ptr<grpc::GenericStub>> stubs_;
  grpc::CompletionQueue queue_;
  Instant begin_, measured_from_, end_;
  uint64_t started_ = 0;  // by the one thread that starts calls
  std::atomic<int64_t> open_{0};
  std::atomic<bool> sent_all_{false};
  Results results_;
  double cpu_from_ = 0, cpu_to_ = 0, max_late_us_ = 0;
};

}  // namespace

int main(int argc, char** argv) try {
  const serving::Options options(argc, argv);
  auto* generator = new LoadGenerator(options);  // never destroyed: late answers may still come
  const double rate = options.number("rate", 0);
  if (rate > 0) {
    generator->run_open(rate);
  } else {
    generator->run_closed(int(options.number("in-flight", 32)));
  }
  generator->print();
  std::fflush(stdout);
  std::_Exit(0);
} catch (const std::exception& error) {
  std::fprintf(stderr, "load_generator: %s\n", error.what());
  return 1;
}
