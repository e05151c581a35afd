#include "stand_in.h"

#include <algorithm>

const char* const kContract = R"({
  "features": {
    "user": [{"name": "age", "kind": "dense", "minimum": null, "maximum": null}],
    "candidate": [
      {"name": "score", "kind": "dense", "minimum": null, "maximum": null},
      {"name": "seller", "kind": "id", "vocabulary": 64, "hashed": true, "values": []},
      {"name": "fresh", "kind": "id", "vocabulary": 2, "hashed": false, "values": []}]},
  "groups": ["seller"], "flags": ["fresh"],
  "limits": {"candidates": 12, "slots": 6},
  "weights": {"clicks": {"min": 0.0, "max": 2.0, "default": 1.0}}})";

void Witness::close() {
  const std::lock_guard lock(mutex_);
  open_ = false;
}

void Witness::open() {
  const std::lock_guard lock(mutex_);
  open_ = true;
  changed_.notify_all();
}

void Witness::await_forwards(int count) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return static_cast<int>(batch_sizes_.size()) >= count; });
}

int Witness::forwards() const {
  const std::lock_guard lock(mutex_);
  return static_cast<int>(batch_sizes_.size());
}

std::vector<float> Witness::ages() const {
  const std::lock_guard lock(mutex_);
  return ages_;
}

std::vector<std::size_t> Witness::batch_sizes() const {
  const std::lock_guard lock(mutex_);
  return batch_sizes_;
}

std::set<std::pair<std::thread::id, std::size_t>> Witness::warm_ups() const {
  const std::lock_guard lock(mutex_);
  return warm_ups_;
}

std::vector<std::thread::id> Witness::deaths() const {
  const std::lock_guard lock(mutex_);
  return deaths_;
}

StandIn::~StandIn() {
  const std::lock_guard lock(witness_.mutex_);
  witness_.deaths_.push_back(std::this_thread::get_id());
  --witness_.alive;
}

gerank::Status StandIn::run(const gerank::PaddedBatch& batch,
                            const gerank::PaddedAnswer& answer) const {
  const auto B = static_cast<std::size_t>(batch.B);
  if (batch.user_dense[0] == 0 && witness_.on_warm_up) witness_.on_warm_up();
  {
    std::unique_lock lock(witness_.mutex_);
    if (batch.user_dense[0] == 0) {
      witness_.warm_ups_.emplace(std::this_thread::get_id(), B);
    } else {
      witness_.batch_sizes_.push_back(B);
      witness_.ages_.insert(witness_.ages_.end(), batch.user_dense, batch.user_dense + B);
      witness_.changed_.notify_all();
      witness_.changed_.wait(lock, [&] { return witness_.open_; });
    }
  }
  if (witness_.failing) return gerank::Status(gerank::Code::kInternal, "the model is broken");
  for (std::int64_t b = 0; b < batch.B; ++b) {
    for (std::int64_t n = 0; n < batch.N; ++n) {
      const bool filled =
          n < batch.slots[b] && n < batch.M && batch.candidate_mask[b * batch.M + n];
      answer.slates[b * batch.N + n] = filled ? n : -1;
      answer.log_prob[b * batch.N + n] = -batch.user_dense[b];
      answer.relaxed[b * batch.N + n] = 0;
    }
  }
  if (batch.user_dense[0] != 0 && witness_.spoil) witness_.spoil(batch, answer);
  return {};
}

std::shared_ptr<const gerank::Ranker> stand_in(Witness& witness, std::string version) {
  std::shared_ptr<const gerank::Ranker> ranker;
  EXPECT_OK(gerank::Ranker::make(kContract, std::move(version), std::make_unique<StandIn>(witness),
                                 &ranker));
  return ranker;
}

Page::Page(float user_age, std::int64_t candidates) : age(user_age) {
  const auto M = static_cast<std::size_t>(candidates);
  scores.assign(M, 0.5f);
  ids.assign(2 * M, 1);
  user.push_back({user_names, gerank::ColumnType::kFloat32, &age, sizeof age});
  features.push_back({dense_names, gerank::ColumnType::kFloat32, scores.data(), M * sizeof(float)});
  features.push_back(
      {id_names, gerank::ColumnType::kInt64, ids.data(), ids.size() * sizeof(std::int64_t)});
  query.candidate_count = candidates;
  query.user_features = user;
  query.candidate_features = features;
}

Asked::Asked(std::vector<float> ages, std::int64_t candidates) {
  for (const float age : ages) {
    pages_.push_back(std::make_unique<Page>(age, candidates));
    queries_.push_back(pages_.back()->query);
  }
  call.queries = queries_;
}

void Asked::submit(gerank::Engine& engine) {
  engine.submit(&call, [this](gerank::Call*, const gerank::Status& status) {
    const std::lock_guard lock(mutex_);
    ++callbacks_;
    status_ = status;
    changed_.notify_all();
  });
}

gerank::Status Asked::await() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return callbacks_ > 0; });
  return status_;
}

bool Asked::over() const { return callbacks() > 0; }

int Asked::callbacks() const {
  const std::lock_guard lock(mutex_);
  return callbacks_;
}

bool Asked::answered_rightly() const {
  if (call.slates.size() != pages_.size()) return false;
  for (std::size_t i = 0; i < pages_.size(); ++i) {
    const gerank::Slate& slate = call.slates[i];
    const auto filled = static_cast<std::size_t>(std::min<std::int64_t>(
        pages_[i]->query.slots.value_or(6), pages_[i]->query.candidate_count));
    if (slate.candidates.size() != filled) return false;
    for (std::size_t n = 0; n < filled; ++n) {
      if (slate.slots[n] != static_cast<std::int32_t>(n) || slate.candidates[n] != slate.slots[n] ||
          slate.log_prob[n] != -pages_[i]->age) {
        return false;
      }
    }
  }
  return true;
}

std::unique_ptr<gerank::Engine> started(const gerank::EngineOptions& options) {
  std::unique_ptr<gerank::Engine> engine;
  EXPECT_OK(gerank::Engine::start(options, &engine));
  return engine;
}

std::unique_ptr<gerank::Engine> serving(const gerank::EngineOptions& options, Witness& witness) {
  auto engine = started(options);
  EXPECT_OK(engine->publish("feed", stand_in(witness, "v1")));
  return engine;
}
