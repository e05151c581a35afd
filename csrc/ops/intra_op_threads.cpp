#include <ATen/Config.h>
#include <ATen/Parallel.h>
#include <gerank/ops.h>

#if AT_PARALLEL_OPENMP
#include <omp.h>
// Torch's own copy of MKL has its own count; a torch without MKL has no such function. This is its
// name in C; mkl_set_num_threads_local is Fortran's, and takes a pointer.
extern "C" __attribute__((weak)) int MKL_Set_Num_Threads_Local(int threads);
#endif

namespace gerank {

void set_intra_op_threads_here(int threads) {
#if AT_PARALLEL_OPENMP
  // A thread's first parallel loop gives it the process's number: once for torch's library and once
  // for this one, of which each keeps a note of its own. After that the thread keeps what it has.
  at::internal::lazy_init_num_threads();
  at::get_num_threads();
  omp_set_num_threads(threads);
  if (MKL_Set_Num_Threads_Local != nullptr) MKL_Set_Num_Threads_Local(threads);
#else
  // One pool serves the process, and there is no number per thread.
  at::set_num_threads(threads);
#endif
}

}  // namespace gerank
