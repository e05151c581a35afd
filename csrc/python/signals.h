// Waiting as Python waits: without the GIL, and Ctrl-C ends it.
#pragma once

#include <pybind11/pybind11.h>

#include <chrono>

namespace gerank {

// How long a wait may go on before somebody looks for signals.
inline constexpr std::chrono::milliseconds kSignalSlice{50};

// Whether this is the thread on which Python runs signal handlers. The GIL must be held.
bool handles_signals();

// Runs the handlers of signals that came. Throws error_already_set if one raises. The GIL must be
// held.
void run_signal_handlers();

// Calls `wait_for(time)` without the GIL until it returns true; in slices where this thread handles
// signals, else for as long as it takes. The GIL must be held.
template <typename Wait>
void wait_for_signals_too(const Wait& wait_for) {
  const auto ended = [&](std::chrono::milliseconds time) {
    const pybind11::gil_scoped_release no_gil;
    return wait_for(time);
  };
  if (ended(kSignalSlice)) return;
  const auto slice = handles_signals() ? kSignalSlice : std::chrono::hours(1);
  do {
    run_signal_handlers();
  } while (!ended(slice));
}

// Whether the interpreter is going down: then a thread of ours must not ask for the GIL any more,
// which would end the thread, and with it the process.
bool is_finalizing() noexcept;

}  // namespace gerank
