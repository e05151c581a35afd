#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "check.h"
#include "folder.h"

using gerank::Status;
using gerank::exposures::ExposureLog;
using gerank::exposures::ExposureLogOptions;
using gerank::exposures::ExposureStatistics;

namespace {

std::unique_ptr<ExposureLog> started(const ExposureLogOptions& options,
                                     ExposureLog::Turn turn = {}) {
  std::unique_ptr<ExposureLog> log;
  EXPECT_OK(ExposureLog::start(options, &log, std::move(turn)));
  return log;
}

// Records calls whose answers have so many bytes.
void record(ExposureLog& log, int count, std::size_t bytes, const std::string& prefix = "call") {
  const std::string response(bytes, 'r');
  for (int i = 0; i < count; ++i) {
    log.record({prefix + std::to_string(i), "default", "v-1", "", "request", response});
  }
}

std::string field_of(const Status& status) { return status.field(); }

}  // namespace

TEST(every_record_of_every_thread_is_written_once) {
  const Folder folder;
  auto log = started({.folder = folder.path(), .file_bytes = 1 << 14});
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&log, i] { record(*log, 500, 100, std::to_string(i) + "-"); });
  }
  for (std::thread& thread : threads) thread.join();
  log->close();
  EXPECT_EQUAL(log->statistics().written, 2000u);
  EXPECT_EQUAL(log->statistics().lost, 0u);
  EXPECT_EQUAL(folder.records(), 2000u);
  std::string all;
  for (const std::string& name : folder.names(".pb")) all += folder.content(name);
  EXPECT_EQUAL(all.size(), log->statistics().bytes);
  for (const char* id : {"0-0", "1-499", "3-250"}) EXPECT(all.find(id) != std::string::npos);
}

TEST(a_record_has_its_parts_as_they_were_given) {
  const std::string record =
      gerank::exposures::delimited_record({"id", "m", "v", "a", "request", "response"}, 5);
  const std::string expected(
      "\x08\x05"
      "\x12\x02id"
      "\x1a\x01m"
      "\x22\x01v"
      "\x2a\x01"
      "a"
      "\x32\x07request"
      "\x3a\x08response");
  EXPECT_EQUAL(record, std::string(1, char(expected.size())) + expected);
}

TEST(a_file_that_is_large_enough_is_followed_by_another) {
  const Folder folder;
  auto log = started({.folder = folder.path(), .file_bytes = 4096});
  record(*log, 20, 1000);
  log->close();
  EXPECT_EQUAL(folder.names(".pb").size(), 7u);  // three of about 1,030 bytes fit
  EXPECT_EQUAL(log->statistics().files, 7u);
  for (const std::string& name : folder.names(".pb")) EXPECT(folder.content(name).size() <= 4096);
  EXPECT_EQUAL(folder.records(), 20u);
}

TEST(a_file_that_is_old_enough_is_closed_without_another_record) {
  const Folder folder;
  auto log = started({.folder = folder.path(), .file_s = 1});
  record(*log, 1, 10);
  EXPECT(soon([&] { return folder.names(".part").size() == 1; }));
  EXPECT(soon([&] { return folder.names(".pb").size() == 1; }));
  EXPECT_EQUAL(folder.names(".part").size(), 0u);
}

TEST(nothing_is_left_where_nothing_was_recorded) {
  const Folder folder;
  started({.folder = folder.path()})->close();
  EXPECT_EQUAL(folder.names("").size(), 0u);
}

TEST(a_process_that_dies_leaves_whole_records) {
  const Folder folder;
  const pid_t child = fork();
  if (child == 0) {
    auto log = started({.folder = folder.path()});
    record(*log, 50, 100);
    _exit(soon([&] { return log->statistics().written == 50; }) ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  EXPECT_EQUAL(status, 0);
  EXPECT_EQUAL(folder.names(".pb").size(), 0u);
  EXPECT_EQUAL(folder.records(".part"), 50u);
}

TEST(a_forked_process_records_nothing_and_can_end) {
  const Folder folder;
  auto log = started({.folder = folder.path()});
  const pid_t child = fork();
  if (child == 0) {
    record(*log, 5, 10);
    log.reset();
    _exit(0);
  }
  int status = -1;
  waitpid(child, &status, 0);
  EXPECT_EQUAL(status, 0);
  record(*log, 1, 10);
  log->close();
  EXPECT_EQUAL(folder.records(), 1u);
}

TEST(a_limit_on_the_size_of_files_costs_no_record_that_fits) {
  const Folder folder;
  const rlimit limit{4096, RLIM_INFINITY};
  setrlimit(RLIMIT_FSIZE, &limit);
  auto log = started({.folder = folder.path()});
  record(*log, 20, 1000);
  record(*log, 2, 8000, "too large");
  record(*log, 20, 1000);
  log->close();
  EXPECT_EQUAL(folder.records(), 40u);
  EXPECT_EQUAL(log->statistics().written, 40u);
  EXPECT_EQUAL(log->statistics().lost, 2u);
  EXPECT(log->statistics().last_error.ends_with(": File too large"));
}

TEST(what_a_disk_refuses_waits_until_it_takes_it) {
  const Folder folder;
  const fs::path inner = fs::path(folder.path()) / "log";
  std::vector<ExposureStatistics> turns;  // the writing thread's, until the log is closed
  auto log = started({.folder = inner, .queue_bytes = 1024},
                     [&turns](const ExposureStatistics& counts) { turns.push_back(counts); });
  fs::remove(inner);
  std::ofstream(inner) << "a file where the folder was";
  log->describe("v-1", "{}");
  record(*log, 5, 100);
  EXPECT(soon([&] { return log->statistics().last_error.ends_with(": Not a directory"); }));
  record(*log, 50, 100);  // more than the queue holds, and it returns
  EXPECT(log->statistics().lost > 40);
  EXPECT_EQUAL(log->statistics().written, 0u);
  EXPECT(log->statistics().refused);
  std::this_thread::sleep_for(std::chrono::milliseconds(2500));  // it is tried again meanwhile
  fs::remove(inner);
  EXPECT(soon([&] { return log->statistics().written + log->statistics().lost == 55; }));
  EXPECT(log->statistics().written >= 5);
  EXPECT(soon([&] { return !log->statistics().refused; }));
  log->close();
  EXPECT_EQUAL(turns.size(), 2u);
  EXPECT(turns.at(0).refused && turns.at(0).last_error.ends_with(": Not a directory"));
  EXPECT(!turns.at(1).refused && turns.at(1).lost == log->statistics().lost);
  EXPECT(fs::exists(inner / "contract-v-1.json"));
}

TEST(the_end_waits_for_no_disk_that_refuses) {
  const Folder folder;
  const fs::path inner = fs::path(folder.path()) / "log";
  auto log = started({.folder = inner});
  fs::remove(inner);
  std::ofstream(inner) << "a file where the folder was";
  record(*log, 5, 100);
  log->close();
  EXPECT_EQUAL(log->statistics().lost, 5u);
  record(*log, 1, 100);
  EXPECT_EQUAL(log->statistics().lost, 6u);
}

TEST(the_share_is_kept_by_request_id_alone) {
  int kept = 0;
  for (int i = 0; i < 10000; ++i) {
    const std::string id = "request-" + std::to_string(i);
    const bool is_kept = gerank::exposures::is_sampled(id, 0.3);
    kept += is_kept;
    EXPECT(!is_kept || gerank::exposures::is_sampled(id, 0.4));
    EXPECT(gerank::exposures::is_sampled(id, 1) && !gerank::exposures::is_sampled(id, 0));
  }
  EXPECT(kept > 2800 && kept < 3200);  // 4 standard deviations are 183

  const Folder folder;
  auto log = started({.folder = folder.path(), .share = 0.3});
  record(*log, 10000, 1, "request-");
  log->close();
  EXPECT_EQUAL(folder.records(), std::size_t(kept));
  EXPECT_EQUAL(log->statistics().lost, 0u);
}

TEST(the_oldest_files_go_only_where_that_is_asked_for) {
  for (const std::int64_t most : {0, 10'000}) {
    const Folder folder;
    auto log = started({.folder = folder.path(), .file_bytes = 4096, .max_bytes = most});
    record(*log, 30, 1000);
    log->close();
    EXPECT_EQUAL(log->statistics().written, 30u);
    EXPECT_EQUAL(folder.records(), most == 0 ? 30u : 9u);
    const auto names = folder.names(".pb");
    EXPECT(folder.content(names.back()).find("call29") != std::string::npos);
  }
}

TEST(a_contract_is_written_once_and_stays) {
  const Folder folder;
  auto log = started({.folder = folder.path()});
  log->describe("v/1", "first");
  log->describe("v/1", "second");
  log->close();
  EXPECT_EQUAL(folder.names(".json"), std::vector<std::string>{"contract-v%2F1.json"});
  EXPECT_EQUAL(folder.content("contract-v%2F1.json"), std::string("first"));
}

TEST(an_option_that_is_out_of_its_range_is_refused_by_name) {
  std::unique_ptr<ExposureLog> log;
  const Folder folder;
  const std::string path = folder.path(), file = path + "/file";
  std::ofstream(file) << "";
  EXPECT_EQUAL(field_of(ExposureLog::start({.folder = file}, &log)), "exposures");
  EXPECT_EQUAL(field_of(ExposureLog::start({.folder = file + "/sub"}, &log)), "exposures");
  EXPECT_EQUAL(field_of(ExposureLog::start({.folder = path, .share = 1.5}, &log)),
               "exposure_share");
  EXPECT_EQUAL(field_of(ExposureLog::start({.folder = path, .file_bytes = 1}, &log)),
               "exposure_file_bytes");
  EXPECT_EQUAL(field_of(ExposureLog::start({.folder = path, .file_s = 0}, &log)),
               "exposure_file_s");
  EXPECT_EQUAL(field_of(ExposureLog::start({.folder = path, .queue_bytes = 0}, &log)),
               "exposure_queue_bytes");
  EXPECT_EQUAL(field_of(ExposureLog::start({.folder = path, .max_bytes = -1}, &log)),
               "exposure_max_bytes");
  EXPECT(log == nullptr);
}
