// A mock recommendation engine that re-ranks in its own process, from several threads.
//
//   cpp_embed MODEL PAGES THREADS
//
// MODEL is an artifact (`gerank export`), PAGES what write_pages.py writes. Prints a line per page:
// slot:candidate:log_prob for every filled slot; then, on stderr, what the engine counted.

#include <gerank/engine.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

#include "pages.h"

namespace {

void require(const gerank::Status& status) {
  if (!status) throw std::runtime_error(status.message());
}

// What each request thread of a real engine does: ask, and wait for the slate.
void serve(gerank::Engine& engine, const std::vector<std::unique_ptr<Page>>& pages,
           std::atomic<std::size_t>& next, std::vector<gerank::Slate>& slates,
           std::atomic<int>& failures) {
  gerank::Call call;  // used again and again: it keeps its memory
  for (std::size_t page = next++; page < pages.size(); page = next++) {
    call.queries = {&pages[page]->query(), 1};
    const gerank::Status status = engine.rank(&call);
    if (status) {
      slates[page] = call.slates[0];
    } else {
      ++failures;
      std::fprintf(stderr, "page %zu: %s\n", page, status.message().c_str());
    }
  }
}

void print(const gerank::Slate& slate) {
  for (std::size_t i = 0; i < slate.slots.size(); ++i) {
    std::printf("%d:%d:%.9g ", slate.slots[i], slate.candidates[i],
                static_cast<double>(slate.log_prob[i]));
  }
  std::printf("\n");
}

int run(const char* model, const char* file, int threads) {
  std::unique_ptr<gerank::Engine> engine;
  require(gerank::Engine::start({}, &engine));
  require(engine->load("feed", model));
  const std::shared_ptr<const gerank::Ranker> ranker = engine->find();  // pages refer to its names
  std::ifstream in(file);
  if (!in) throw std::runtime_error(std::string("cannot read ") + file);
  const auto pages = read_pages(in, ranker->contract());

  std::vector<gerank::Slate> slates(pages.size());
  std::atomic<std::size_t> next{0};
  std::atomic<int> failures{0};
  std::vector<std::thread> servers;
  for (int i = 0; i < threads; ++i) {
    servers.emplace_back([&] { serve(*engine, pages, next, slates, failures); });
  }
  for (std::thread& server : servers) server.join();
  for (const gerank::Slate& slate : slates) print(slate);
  const gerank::EngineStats stats = engine->stats();
  std::fprintf(stderr, "%llu pages in %llu forward passes\n",
               static_cast<unsigned long long>(stats.answered),
               static_cast<unsigned long long>(stats.batches));
  return failures > 0;
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 4) throw std::runtime_error("usage: cpp_embed MODEL PAGES THREADS");
  return run(argv[1], argv[2], std::max(1, std::atoi(argv[3])));
} catch (const std::exception& error) {
  std::fprintf(stderr, "cpp_embed: %s\n", error.what());
  return 1;
}
