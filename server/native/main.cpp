// gerank-server: the native front in a process without Python.
//
// Prints "serving VERSION on HOST:PORT". SIGTERM and SIGINT drain it, a second one ends it at once.
// SIGHUP reads the files of TLS and tokens again, loads artifacts whose files have changed, and
// swaps them in while the old ones answer: a file that does not pass its checks is refused, and
// told.

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <string>
#include <utility>

#include "arguments.h"
#include "log/log.h"
#include "program.h"
#include "server.h"

namespace {

using gerank::server::Log;
using gerank::server::LogLevel;
using gerank::server::Program;
using gerank::server::ServerOptions;

// Nobody need listen to what the server tells: a closed or full stdout or stderr costs the words,
// never a call. Writing there fails, and what cannot be told is not.
void survive_deaf_readers() {
  signal(SIGPIPE, SIG_IGN);
  // A standard stream that was closed before the start must not become somebody's connection.
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(stream, F_GETFD) == -1) open("/dev/null", O_RDWR);
  }
}

// The signals that steer the server, blocked in every thread that is started later.
sigset_t block_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

// A descriptor is a connection; what the system grants beyond the usual is taken.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

int run(ServerOptions options, const sigset_t& signals) {
  Log& log = Log::of_process();
  log.configure(options.log.level, options.log.format);
  int exit_code = 1;
  try {
    Program program(std::move(options));
    if (program.load()) {
      program.listen();
      program.tell_of_serving();
      program.run_until_signal(signals);
      exit_code = 0;
    }
  } catch (const std::exception& error) {
    log.tell(LogLevel::kError, "start_failed", error.what());
  }
  log.flush(gerank::server::kLastWords);
  return exit_code;
}

}  // namespace

int main(int argc, char** argv) try {
  survive_deaf_readers();
  gerank_server_keep_no_large_blocks();
  if (argc == 2 && std::string(argv[1]) == "--help") {
    gerank::server::print_help();
    return 0;
  }
  if (argc == 2 && std::string(argv[1]) == "--version") {
    std::printf("gerank-server %s\n", GERANK_VERSION);
    return 0;
  }
  ServerOptions options = gerank::server::read_arguments(argc, argv);
  raise_descriptor_limit();
  const sigset_t signals = block_signals();
  return run(std::move(options), signals);
} catch (const std::exception& error) {
  std::fprintf(stderr, "error: %s\n", error.what());
  return 1;
}
