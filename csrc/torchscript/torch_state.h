// What torch keeps per thread, as the engine wants it.
#pragma once

#include <c10/core/DispatchKeySet.h>
#include <c10/core/InferenceMode.h>
#include <c10/core/impl/LocalDispatchKeySet.h>

namespace gerank {

// While it lives, torch works on this thread as on one that nobody has touched, and without
// gradients; afterwards as the host had it.
//
// Autocast, dispatch modes such as FakeTensorMode, functorch's transforms and tracing all act
// through keys that the dispatcher finds in the thread's state. A host may have any of them on
// while it calls the engine; the answer must not depend on it. Profilers do not use keys, and see
// on.
class OwnTorchState {
 public:
  OwnTorchState() : keys_(c10::default_included_set, kExcluded) {}

 private:
  // Copying a tensor's metadata asks the stack of modes itself, unless these are excluded.
  static constexpr c10::DispatchKeySet kExcluded =
      c10::default_excluded_set |
      c10::DispatchKeySet({c10::DispatchKey::Python, c10::DispatchKey::PythonTLSSnapshot});

  const c10::impl::ForceDispatchKeyGuard keys_;
  const c10::InferenceMode no_gradients_;  // changes keys: after `keys_`, and undone before it
};

}  // namespace gerank
