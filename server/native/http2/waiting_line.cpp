#include "waiting_line.h"

#include "stream.h"

namespace gerank::server {

void WaitingLine::let_in() {
  for (Place at = line_.begin(); at != line_.end();) {
    Stream& first = **at;
    ++at;  // a stream that is let in leaves the line
    first.try_to_let_in();
  }
}

}  // namespace gerank::server
