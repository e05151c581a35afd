// How an Autograd kernel calls its own op one layer further down.
#pragma once

#include <ATen/core/dispatch/Dispatcher.h>

namespace gerank::autograd {

// The op's typed handle, looked up once: `static const auto op =
// find_op<decltype(kernel)>("name")`.
template <typename Signature>
c10::TypedOperatorHandle<Signature> find_op(const char* name) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, "").template typed<Signature>();
}

}  // namespace gerank::autograd
