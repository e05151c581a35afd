#include "fibers.h"

#include <setjmp.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "cuda_runtime.h"

dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace shim {
namespace {

constexpr int kWarp = 32;
constexpr size_t kStackBytes = 128 << 10;
constexpr size_t kGuardBytes = 256;
constexpr uint32_t kPoison = 0x7ff5a5f5;  // NaN as float and double, out of range as an index

// What a thread has brought to a warp exchange and waits for.
struct Offer {
  bool open = false;
  Exchange kind = Exchange::kSync;
  unsigned mask = 0;
  uint64_t value = 0;
  int argument = 0;
  uint64_t result = 0;
};

struct Fiber {
  jmp_buf state;
  ucontext_t context;
  bool started = false;
  Offer offer;
};

// One block at a time; a switch of fibers costs a setjmp and a longjmp (a swapcontext would add two
// system calls).
struct Scheduler {
  std::vector<Fiber> fibers;
  std::vector<std::vector<int>> runnable;  // by warp
  std::vector<int> order;                  // of the warps, first served first
  std::vector<uint32_t> shared;
  unsigned char* stacks = nullptr;
  size_t num_stacks = 0;
  const std::function<void()>* kernel = nullptr;
  jmp_buf state;
  int current = 0;
  int finished = 0;
  std::vector<int> at_barrier;
  uint64_t random = 1;
  std::string error;
  std::vector<std::string> sites;
  std::string skipped;
  int skipped_site = -1;
  std::vector<char> met;
  std::string met_text;
} all;

uint64_t draw() {  // splitmix64
  uint64_t x = all.random += 0x9E3779B97F4A7C15ull;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
  return x ^ (x >> 31);
}

void make_runnable(int index) { all.runnable[index / kWarp].push_back(index); }

// From barrier to barrier some warps are starved: among warps that advance at much the same pace, a
// missing barrier would hardly ever show.
void shuffle_warps() {
  for (size_t i = all.order.size(); i > 1; --i) std::swap(all.order[i - 1], all.order[draw() % i]);
}

// The next fiber to run, mostly of the first warp in the order that has any; -1: none.
int choose_fiber() {
  if (draw() % 64 == 0) shuffle_warps();
  for (const int warp : all.order) {
    auto& fibers = all.runnable[warp];
    if (fibers.empty()) continue;
    std::swap(fibers[draw() % fibers.size()], fibers.back());
    const int index = fibers.back();
    fibers.pop_back();
    return index;
  }
  return -1;
}

// Back to the scheduler; returns when the fiber is chosen again.
void suspend() {
  if (_setjmp(all.fibers[all.current].state) == 0) _longjmp(all.state, 1);
}

[[noreturn]] void fail(const std::string& message) {
  if (all.error.empty()) {
    all.error = "block " + std::to_string(blockIdx.x) + " thread " + std::to_string(all.current) +
                ": " + message;
  }
  _longjmp(all.state, 1);
}

void run_fiber() {
  (*all.kernel)();
  all.finished += 1;
  _longjmp(all.state, 1);
}

void resume(int index) {
  all.current = index;
  threadIdx.x = static_cast<unsigned>(index);
  Fiber& fiber = all.fibers[index];
  if (_setjmp(all.state) != 0) return;
  if (fiber.started) _longjmp(fiber.state, 1);
  fiber.started = true;
  setcontext(&fiber.context);
}

void meet(int site) {
  if (all.met[site]) return;
  all.met[site] = 1;
  all.met_text += all.sites[site] + "\n";
}

void prepare(int threads, size_t shared_bytes) {
  if (all.num_stacks < static_cast<size_t>(threads)) {
    if (all.stacks != nullptr) munmap(all.stacks, all.num_stacks * kStackBytes);
    all.num_stacks = threads;
    all.stacks =
        static_cast<unsigned char*>(mmap(nullptr, threads * kStackBytes, PROT_READ | PROT_WRITE,
                                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  }
  all.shared.assign((shared_bytes + 2 * kGuardBytes) / sizeof(uint32_t) + 1, kPoison);
  all.fibers = std::vector<Fiber>(threads);
  all.runnable.assign((threads + kWarp - 1) / kWarp, {});
  all.order.resize(all.runnable.size());
  std::iota(all.order.begin(), all.order.end(), 0);
  shuffle_warps();
  all.at_barrier.clear();
  all.finished = 0;
  for (int i = 0; i < threads; ++i) {
    Fiber& fiber = all.fibers[i];
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = all.stacks + i * kStackBytes;
    fiber.context.uc_stack.ss_size = kStackBytes;
    makecontext(&fiber.context, run_fiber, 0);
    make_runnable(i);
  }
}

bool guards_are_whole(size_t shared_bytes) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(all.shared.data());
  const auto is_poison = [&](size_t i) {
    return bytes[i] == reinterpret_cast<const unsigned char*>(&kPoison)[i % sizeof(kPoison)];
  };
  for (size_t i = 0; i < kGuardBytes; ++i) {
    if (!is_poison(i) || !is_poison(kGuardBytes + shared_bytes + i)) return false;
  }
  return true;
}

void run_block(int threads, size_t shared_bytes) {
  prepare(threads, shared_bytes);
  for (int next = choose_fiber(); next >= 0 && all.error.empty(); next = choose_fiber()) {
    resume(next);
  }
  if (all.error.empty() && all.finished < threads) {
    all.error = "deadlock: " + std::to_string(all.at_barrier.size()) + " threads at a barrier, " +
                std::to_string(all.finished) + " of " + std::to_string(threads) + " finished";
  }
  if (all.error.empty() && !guards_are_whole(shared_bytes)) {
    all.error = "a write beyond the block's shared memory";
  }
}

uint64_t result_for(const Offer& mine, int lane, int warp) {
  const auto offer = [&](int source) -> const Offer& {
    if (source < 0 || source >= kWarp || !((mine.mask >> source) & 1)) {
      fail("a shuffle from a thread outside its mask");
    }
    return all.fibers[warp * kWarp + source].offer;
  };
  uint64_t ballot = 0;
  switch (mine.kind) {
    case Exchange::kSync:
      return 0;
    case Exchange::kShuffle:
      return offer(mine.argument).value;
    case Exchange::kShuffleXor:
      return offer(lane ^ mine.argument).value;
    case Exchange::kBallot:
      for (int i = 0; i < kWarp; ++i) {
        if ((mine.mask >> i) & 1) ballot |= offer(i).value << i;
      }
      return ballot;
  }
  return 0;
}

// Whether everybody in the mask is there. They must all want the same exchange.
bool is_complete(const Offer& mine, int warp) {
  bool complete = true;
  for (int i = 0; i < kWarp; ++i) {
    if (!((mine.mask >> i) & 1)) continue;
    const int index = warp * kWarp + i;
    if (index >= static_cast<int>(all.fibers.size())) fail("a mask with threads beyond the block");
    const Offer& other = all.fibers[index].offer;
    if (other.open && (other.mask != mine.mask || other.kind != mine.kind)) {
      fail("threads of one warp disagree about an exchange");
    }
    complete = complete && other.open;
  }
  return complete;
}

}  // namespace

cudaError_t launch(const std::function<void()>& kernel, int blocks, int threads,
                   size_t shared_bytes) {
  all.kernel = &kernel;
  all.error.clear();
  gridDim.x = static_cast<unsigned>(blocks);
  blockDim.x = static_cast<unsigned>(threads);
  for (int block = 0; block < blocks && all.error.empty(); ++block) {
    blockIdx.x = static_cast<unsigned>(block);
    run_block(threads, shared_bytes);
  }
  return all.error.empty() ? cudaSuccess : cudaErrorLaunchFailure;
}

unsigned char* shared_memory() {
  return reinterpret_cast<unsigned char*>(all.shared.data()) + kGuardBytes;
}

int site(const char* scope, const char* file, int line) {
  const std::string path = file;
  const std::string name =
      std::string(scope) + ":" + path.substr(path.rfind('/') + 1) + ":" + std::to_string(line);
  const auto found = std::find(all.sites.begin(), all.sites.end(), name);
  if (found != all.sites.end()) return static_cast<int>(found - all.sites.begin());
  all.sites.push_back(name);
  all.met.push_back(0);
  const int number = static_cast<int>(all.sites.size()) - 1;
  if (name == all.skipped) all.skipped_site = number;
  return number;
}

void barrier(int site) {
  meet(site);
  if (site == all.skipped_site) return;
  if (all.finished > 0) fail("a barrier at " + all.sites[site] + " that a thread has left behind");
  all.at_barrier.push_back(all.current);
  if (all.at_barrier.size() == all.fibers.size()) {
    for (const int index : all.at_barrier) make_runnable(index);
    all.at_barrier.clear();
    shuffle_warps();
  }
  suspend();
}

void warp_barrier(int site, unsigned mask) {
  meet(site);
  if (site == all.skipped_site) return;
  exchange(Exchange::kSync, mask, 0, 0);
}

uint64_t exchange(Exchange kind, unsigned mask, uint64_t value, int argument) {
  const int lane = all.current % kWarp, warp = all.current / kWarp;
  if (!((mask >> lane) & 1)) fail("an exchange whose mask leaves out its caller");
  Offer& mine = all.fibers[all.current].offer;
  mine = {true, kind, mask, value, argument, 0};
  if (!is_complete(mine, warp)) {
    suspend();
    return all.fibers[all.current].offer.result;
  }
  for (int i = 0; i < kWarp; ++i) {
    if (!((mask >> i) & 1)) continue;
    Offer& offer = all.fibers[warp * kWarp + i].offer;
    offer.result = result_for(offer, i, warp);
  }
  for (int i = 0; i < kWarp; ++i) {
    if (!((mask >> i) & 1)) continue;
    all.fibers[warp * kWarp + i].offer.open = false;
    make_runnable(warp * kWarp + i);
  }
  suspend();  // the last to come is not the first to leave
  return all.fibers[all.current].offer.result;
}

void set_schedule(uint64_t seed) { all.random = seed; }

void skip_barrier(const std::string& site) {
  all.skipped = site;
  const auto found = std::find(all.sites.begin(), all.sites.end(), site);
  all.skipped_site = found == all.sites.end() ? -1 : static_cast<int>(found - all.sites.begin());
}

const std::string& met_barriers() { return all.met_text; }
const std::string& last_error() { return all.error; }

}  // namespace shim
