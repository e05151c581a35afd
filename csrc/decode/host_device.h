// Lets one statement of the decoding maths compile for the CPU and for CUDA.
#pragma once

#if defined(__CUDACC__)
#define GERANK_HOST_DEVICE __host__ __device__ __forceinline__
#else
// Always: code compiled for several instruction sets must not share out-of-line copies.
#define GERANK_HOST_DEVICE inline __attribute__((always_inline))
#endif
