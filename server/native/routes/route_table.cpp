#include "route_table.h"

#include <algorithm>
#include <utility>

namespace gerank::server {

void RouteTable::set(const std::string& model, const std::string& default_model,
                     std::shared_ptr<const ModelRoute> route) {
  std::unique_lock lock(mutex_);
  auto routes = routes_ ? std::make_shared<Routes>(*routes_) : std::make_shared<Routes>();
  routes->default_model = default_model;
  if (route) {
    routes->models[model] = std::move(route);
  } else if (routes->models.erase(model) == 0) {
    return;
  }
  if (routes->models.empty()) routes.reset();
  routes_ = std::move(routes);
  tell_readers(lock);
}

void RouteTable::tell_readers(std::unique_lock<std::mutex>& lock) {
  const auto open = std::make_shared<std::size_t>(readers_.size());
  for (RouteReader* const reader : readers_) {
    reader->loop_.post([this, reader, open, routes = routes_] {
      reader->routes_ = routes;
      const std::lock_guard telling(mutex_);
      if (--*open == 0) told_.notify_all();
    });
  }
  told_.wait(lock, [&] { return *open == 0 || closed_; });
}

std::shared_ptr<ArmCounts> RouteTable::counts_of(const std::string& model, const std::string& arm,
                                                 const std::string& version) {
  const std::lock_guard lock(mutex_);
  auto& counts = counts_[{model, arm, version}];
  if (!counts) counts = std::make_shared<ArmCounts>();
  return counts;
}

std::vector<RouteTable::ArmNumbers> RouteTable::numbers() const {
  const std::lock_guard lock(mutex_);
  std::vector<ArmNumbers> all;
  for (const auto& [key, counts] : counts_) {
    all.push_back({std::get<0>(key), std::get<1>(key), std::get<2>(key), counts});
  }
  return all;
}

void RouteTable::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  told_.notify_all();
}

RouteReader::RouteReader(RouteTable& table, Loop& loop) : table_(table), loop_(loop) {
  const std::lock_guard lock(table_.mutex_);
  routes_ = table_.routes_;
  table_.readers_.push_back(this);
}

RouteReader::~RouteReader() {
  const std::lock_guard lock(table_.mutex_);
  table_.readers_.erase(std::find(table_.readers_.begin(), table_.readers_.end(), this));
}

std::shared_ptr<const ModelRoute> RouteReader::find_in(const Routes& routes,
                                                       std::string_view model) {
  const auto found = routes.models.find(model.empty() ? routes.default_model : model);
  return found == routes.models.end() ? nullptr : found->second;
}

}  // namespace gerank::server
