// The routes of all models, and how the threads of a front learn of a change.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "../net/loop.h"
#include "model_route.h"

namespace gerank::server {

// By model. A model that is not here has no route: its current version answers.
struct Routes {
  std::string default_model;  // the model of calls that name none
  std::map<std::string, std::shared_ptr<const ModelRoute>, std::less<>> models;
};

class RouteReader;

// Thread-safe, but no thread of a reader may change it: it would wait for itself.
class RouteTable {
 public:
  // What one arm counted.
  struct ArmNumbers {
    std::string model, arm, version;
    std::shared_ptr<const ArmCounts> counts;
  };

  // Sets the route of a model, or takes it away (null). Returns when every reader goes by it: no
  // call that begins later goes by the route before.
  void set(const std::string& model, const std::string& default_model,
           std::shared_ptr<const ModelRoute> route);

  // The counts of an arm, which begin at 0 and go on when it comes back.
  std::shared_ptr<ArmCounts> counts_of(const std::string& model, const std::string& arm,
                                       const std::string& version);
  std::vector<ArmNumbers> numbers() const;

  // Waits for no reader any more, since their threads end.
  void close();

 private:
  friend class RouteReader;

  void tell_readers(std::unique_lock<std::mutex>& lock);

  mutable std::mutex mutex_;
  std::condition_variable told_;
  std::shared_ptr<const Routes> routes_;  // null: none
  std::vector<RouteReader*> readers_;
  bool closed_ = false;
  std::map<std::tuple<std::string, std::string, std::string>, std::shared_ptr<ArmCounts>> counts_;
};

// The routes as one thread goes by them. Used by the thread of its loop; without routes it costs a
// look at a pointer.
class RouteReader {
 public:
  // The table must outlive the reader, and the reader what was posted to the loop.
  RouteReader(RouteTable& table, Loop& loop);
  ~RouteReader();
  RouteReader(const RouteReader&) = delete;
  RouteReader& operator=(const RouteReader&) = delete;

  // The route of calls for a model, whose name may be empty; null where there is none.
  std::shared_ptr<const ModelRoute> find(std::string_view model) const {
    return routes_ == nullptr ? nullptr : find_in(*routes_, model);
  }

 private:
  friend class RouteTable;

  static std::shared_ptr<const ModelRoute> find_in(const Routes& routes, std::string_view model);

  RouteTable& table_;
  Loop& loop_;
  std::shared_ptr<const Routes> routes_;
};

}  // namespace gerank::server
