#include "front_thread.h"

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>

#include <utility>

namespace gerank::server {
namespace {

constexpr int kNiceness = -5;  // below the other threads'; less goes first

// Puts the calling thread first: its share of the processors is three times a worker's, or calls
// would lie in the socket while the workers are busy, and their deadlines would pass unseen. It
// interrupts nobody, though (SCHED_BATCH): several calls per wake-up cost less. Where the process
// may not do this (CAP_SYS_NICE), all threads stay equal.
void go_first() {
  const int nice = getpriority(PRIO_PROCESS, 0);
  if (setpriority(PRIO_PROCESS, 0, nice + kNiceness) != 0) return;
  const sched_param none{};
  sched_setscheduler(0, SCHED_BATCH, &none);
}

}  // namespace

FrontThread::FrontThread(Service& service, Health& health,
                         std::unique_ptr<grpc::ServerCompletionQueue> queue)
    : queue_(std::move(queue)),
      relay_(*queue_),
      pool_(service, *queue_, relay_),
      watches_(health, *queue_),
      describe_(
          [&service, this](auto* context, auto* request, auto* writer, Completion* tag) {
            service.methods.RequestDescribe(context, request, writer, &*queue_, &*queue_, tag);
          },
          [&service](auto* request, auto* answer) { return describe(service, request, answer); }),
      statistics_(
          [&service, this](auto* context, auto* request, auto* writer, Completion* tag) {
            service.methods.RequestStatistics(context, request, writer, &*queue_, &*queue_, tag);
          },
          [&service](auto*, auto* answer) { return tell_statistics(service, answer); }),
      check_(
          [&health, this](auto* context, auto* request, auto* writer, Completion* tag) {
            health.methods.RequestCheck(context, request, writer, &*queue_, &*queue_, tag);
          },
          [&health](auto* request, auto* answer) { return health.check(request, answer); }) {}

FrontThread::~FrontThread() {
  if (thread_.joinable()) stop();
  if (closed_) return;
  queue_->Shutdown();
  run();  // a queue must be emptied, served or not
}

void FrontThread::start() {
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "gerank-front");
    go_first();
    pool_.open();
    watches_.await_another();
    describe_.await();
    statistics_.await();
    check_.await();
    run();
  });
}

void FrontThread::stop() {
  alarm_.Set(&*queue_, gpr_inf_past(GPR_CLOCK_MONOTONIC), &close_);
  thread_.join();
}

void FrontThread::run() {
  void* tag = nullptr;
  bool ok = false;
  while (queue_->Next(&tag, &ok)) {
    if (!closed_) static_cast<Completion*>(tag)->proceed(ok);
  }
}

// On the queue's own thread, since an operation that begins on a closed queue ends the process.
void FrontThread::close(bool) {
  closed_ = true;
  queue_->Shutdown();
}

}  // namespace gerank::server
