// gerank-server: the native front in a process without Python.
//
// Prints "serving VERSION on HOST:PORT". SIGTERM and SIGINT drain it; SIGHUP loads the file again
// and swaps it in while the old one answers: a file that does not pass its checks is refused, and
// told.

#include <signal.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <map>
#include <stdexcept>
#include <string>

#include "server.h"

namespace {

constexpr const char* kName = "default";
constexpr const char* kAddress = "127.0.0.1:50051";
constexpr double kGraceSeconds = 10;

struct Arguments {
  std::string model, address = kAddress;
  GerankServerOptions numbers{};
};

std::int64_t to_number(const std::string& option, const std::string& text) {
  char* end = nullptr;
  const long long value = std::strtoll(text.c_str(), &end, 10);
  if (text.empty() || *end != 0) {
    throw std::invalid_argument(option + ": must be an integer, got '" + text + "'");
  }
  return value;
}

std::map<std::string, std::int64_t*> number_options(GerankServerOptions& numbers) {
  return {{"--threads", &numbers.threads},
          {"--max-message-bytes", &numbers.max_message_bytes},
          {"--max-calls-per-connection", &numbers.max_calls_per_connection},
          {"--workers", &numbers.workers},
          {"--intra-op-threads", &numbers.intra_op_threads},
          {"--max-batch", &numbers.max_batch},
          {"--max-batch-candidates", &numbers.max_batch_candidates},
          {"--max-delay-us", &numbers.max_delay_us},
          {"--max-queue", &numbers.max_queue},
          {"--max-queries", &numbers.max_queries}};
}

void print_help() {
  GerankServerOptions numbers{};
  gerank_server_defaults(&numbers);
  std::printf(
      "usage: gerank-server --model FILE [--address HOST:PORT] [OPTION NUMBER]...\n\n"
      "Serves an artifact over gRPC. SIGTERM drains it, SIGHUP loads the file again.\n\n"
      "  --model FILE                 the artifact\n"
      "  --address HOST:PORT          where to listen [%s]; port 0: any\n",
      kAddress);
  for (const auto& [option, number] : number_options(numbers)) {
    std::printf("  %-28s [%lld]\n", option.c_str(), static_cast<long long>(*number));
  }
}

Arguments read_arguments(int argc, char** argv) {
  Arguments arguments;
  GerankServerOptions& numbers = arguments.numbers;
  gerank_server_defaults(&numbers);
  const auto known = number_options(numbers);
  for (int i = 1; i < argc; i += 2) {
    const std::string option = argv[i];
    if (i + 1 == argc) throw std::invalid_argument(option + ": its value is missing");
    const std::string value = argv[i + 1];
    if (option == "--model") {
      arguments.model = value;
    } else if (option == "--address") {
      arguments.address = value;
    } else if (const auto found = known.find(option); found != known.end()) {
      *found->second = to_number(option, value);
    } else {
      throw std::invalid_argument("unknown option " + option + "; --help lists them");
    }
  }
  if (arguments.model.empty()) throw std::invalid_argument("--model: which artifact to serve");
  numbers.address = arguments.address.c_str();
  return arguments;
}

// The signals that steer the server, blocked in every thread that is started later.
sigset_t block_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

std::string host_of(const std::string& address) { return address.substr(0, address.rfind(':')); }

class Program {
 public:
  explicit Program(const Arguments& arguments) : arguments_(arguments) {
    if (gerank_server_start(&arguments_.numbers, &server_, error_, sizeof error_) != 0) {
      throw std::runtime_error(error_);
    }
  }

  ~Program() { gerank_server_free(server_); }

  // Loads the artifact; whether that went well.
  bool load() {
    const char* path = arguments_.model.c_str();
    if (gerank_server_load(server_, kName, path, error_, sizeof error_) == 0) return true;
    std::fprintf(stderr, "error: %s\n", error_);
    return false;
  }

  void tell(const char* event) {
    char version[256];
    gerank_server_version(server_, kName, version, sizeof version);
    std::printf("%s %s on %s:%d\n", event, version, host_of(arguments_.address).c_str(),
                gerank_server_port(server_));
    std::fflush(stdout);
  }

  // Until SIGTERM or SIGINT.
  void obey(const sigset_t& signals) {
    int signal = 0;
    while (sigwait(&signals, &signal) == 0 && signal == SIGHUP) {
      if (load()) tell("now serving");
    }
    std::printf("draining\n");
    std::fflush(stdout);
    gerank_server_stop(server_, kGraceSeconds);
  }

 private:
  const Arguments& arguments_;
  GerankServer* server_ = nullptr;
  char error_[4096];
};

}  // namespace

int main(int argc, char** argv) try {
  if (argc == 2 && std::string(argv[1]) == "--help") {
    print_help();
    return 0;
  }
  const Arguments arguments = read_arguments(argc, argv);
  const sigset_t signals = block_signals();
  Program program(arguments);
  if (!program.load()) return 1;
  program.tell("serving");
  program.obey(signals);
} catch (const std::exception& error) {
  std::fprintf(stderr, "error: %s\n", error.what());
  return 1;
}
