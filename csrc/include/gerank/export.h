// What the libraries show to programs that link them; everything else is hidden.
#pragma once

#define GERANK_EXPORT __attribute__((visibility("default")))
