// What a thread of the front does when the completion queue hands back a tag.
#pragma once

namespace gerank::server {

// A tag. Lives until it has been handed back.
class Completion {
 public:
  // `ok` as grpc::CompletionQueue::Next tells it: false where the operation did not happen.
  virtual void proceed(bool ok) = 0;

 protected:
  ~Completion() = default;
};

// A tag that calls a method of the object that it is a member of.
template <auto Method>
class Step;

template <typename Owner, void (Owner::*Method)(bool)>
class Step<Method> final : public Completion {
 public:
  explicit Step(Owner& owner) : owner_(owner) {}
  void proceed(bool ok) override { (owner_.*Method)(ok); }

 private:
  Owner& owner_;
};

}  // namespace gerank::server
