// Unix-domain sockets by hand, where libuv has no way: private from the start, stale files, blocking with a deadline.
#pragma once

#include <string>

#include "eddy/result.hpp"

namespace eddy::transport {

/// A socket bound to `path` with mode 0600, not yet listening. The descriptor is the caller's.
Result<int> bind_private_socket(const std::string& path);

}  // namespace eddy::transport
